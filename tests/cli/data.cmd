# A small set: what is printed, and what is there.
effnet data synth set --classes 3 --train 2 --val 1 --size 32
find set -type f | sort
cat set/README.md
cat set/synth.json
# For scripts; without val/. The same options make the same files, on any number of threads.
effnet data synth again --json --classes 3 --train 2 --val 0 --size 32 --threads 3
ls again
diff -r set/train again/train
effnet data synth other --classes 3 --train 2 --val 1 --size 32 --seed 1 --quiet >nothing
cmp -s set/train/alakanda/0000.jpg other/train/alakanda/0000.jpg || echo differs
# Refused: one line.
effnet data
effnet data --json
effnet data sinth set
effnet data check set
effnet data synth
effnet data synth set
effnet data synth set/README.md
effnet data synth missing/set
effnet data synth new --classes 1
effnet data synth new --classes 209
effnet data synth new --size 20
effnet data synth new --difficulty 2
ls new
