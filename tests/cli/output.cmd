# A result that cannot be written is a failure of the environment: status 1, one line.
effnet info b0 >/dev/full
effnet --help >/dev/full
effnet --version >/dev/full
effnet scale --phi 0..7 --json >/dev/full
effnet info b0 >&-
synth model small.effnet
synth png 60 80 1 a.png
effnet predict small.effnet a.png a.png a.png >/dev/full
(sleep 0.3; effnet predict small.effnet a.png a.png --json; echo "status $?" >&2) | true
# Nothing but the result on stdout, nothing at all on stderr when quiet.
effnet predict small.effnet a.png --json -v -k 1 2>/dev/null | wc -l
effnet predict small.effnet a.png --json -q -v -k 1 2>&1 >/dev/null | wc -l
# A first interruption ends with what is done; the status says which it was.
timeout --preserve-status -s INT 2 effnet bench small.effnet --min-time 60 | wc -l
timeout --preserve-status -s INT 0.6 effnet bench small.effnet --min-time 60 >/dev/null
timeout --preserve-status -s TERM 0.6 effnet bench small.effnet --min-time 60 >/dev/null
sleep 2 | timeout --preserve-status -s INT 0.6 effnet predict small.effnet -
# The keys of bench.
effnet bench small.effnet --min-time 0.01 --threads 1 --batch 2 --cpu ref --json | sed 's/: [0-9.e+-]*\([,}]\)/: N\1/g'
effnet bench small.effnet --min-time 0.01 --cpu ref --threads 1 --resolution 40x56 | sed -n 1p
