# Figures differ from run to run and machine to machine; what is reported does not.
synth model small.effnet
effnet bench small.effnet --min-time 0 --json | grep -o '"[a-z0-9_]*":' | tr '\n' ' '; echo
effnet bench small.effnet --min-time 0 --threads 1 --cpu ref | sed 's/[0-9][0-9.]*/N/g'
# --profile: every layer in the order of the network, then the operators.
effnet bench small.effnet --min-time 0 --threads 1 --cpu ref --profile | awk '/by operator/ { done = 1 } done { next } /blocks.6/,0 { print $1, $2, $3, $4 }'
effnet bench small.effnet --min-time 0 --cpu ref --profile | grep -c '^  all '
effnet bench small.effnet --min-time 0 --profile --json | grep -o '"[a-z0-9_]*":' | awk '!seen[$0]++' | tr '\n' ' '; echo
effnet bench small.effnet --min-time 0 --profile --json | grep -o '"name": "blocks.0.0[a-z.]*"'
# --machine: no model.
effnet bench --machine --min-time 0 --cpu ref --threads 1 | sed '1s/.*/the processor/; s/[KM]iB/B/; s/[0-9][0-9.]* */N /g; s/  */ /g'
effnet bench --machine --min-time 0 --cpu ref --threads 2 | sed -n '3,5p' | sed 's/[0-9][0-9.]*/N/g; s/  */ /g'
effnet bench --machine --min-time 0 --json | grep -o '"[a-z0-9_]*":' | awk '!seen[$0]++' | tr '\n' ' '; echo
effnet bench
effnet bench --machine small.effnet
effnet bench --machine --profile
effnet bench small.effnet small.effnet
# bfloat16 where the CPU, or the cap on it, lacks it; and --check, which compares. tests/bench_check.sh runs it.
effnet bench small.effnet --dtype bf16 --cpu ref
effnet bench small.effnet --dtype bf16 --train
effnet bench small.effnet --check small.effnet
effnet bench small.effnet --dtype bf16 --check
effnet bench --machine --check
effnet bench b0 --dtype bf16 --check small.effnet
