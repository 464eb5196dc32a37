# A set of our own, and a space so small that a search takes a blink.
effnet data synth s --classes 2 --train 8 --val 4 --size 32 --quiet
echo '{"name": "toy", "base": "b0@width=0.1,depth=0.1,resolution=32,divisor=4", "stages": [{"fixed": true}, {"kernel": [3, 5], "expand": [3, 6]}, {"op": ["mbconv", "fused"]}, {"fixed": true}, {"se": [0, 0.25]}, {"fixed": true}, {"fixed": true}]}' > toy.json
effnet search s --space toy.json --plan -n 6 -e 1 | sed 's/about [0-9.]* [a-z]*/about .../g;s/takes about .* of memory/takes about ... of memory/' | head -n 5
ls -d search
effnet search s --space toy.json -n 6 -e 1 --finalists 2 --sample 2 --repeats 1 --against mobilenetv2-0.1@depth=0.2,resolution=32 -o r 2>&1 | grep -c '^effnet: [0-9]*/13  .*: top-1 '
ls r
cut -d, -f1-4,9-11 r/search.csv | head -n 3
# Once more: all is there already. And the table is a network like any other.
effnet search s --space toy.json -n 6 -e 1 --finalists 2 --sample 2 --repeats 1 --against mobilenetv2-0.1@depth=0.2,resolution=32 -o r --json --quiet | tr ',' '\n' | grep -E '"(trials|jobs_|complete)' | sed 's/^ *//'
effnet info r/best.json | grep -c 'stage '
# What cannot be: one line each.
echo '{"name": "none"}' > empty.json; effnet search s --space empty.json
echo '{}' > empty2.json; effnet search s --space empty2.json
echo '{"base": "b0@width=0.1,depth=0.1,resolution=32", "choices": {}}' > empty3.json; effnet search s --space empty3.json
echo '{"base": "b0@width=0.1,depth=0.1,resolution=32", "choices": {"kernel": []}}' > empty4.json; effnet search s --space empty4.json
echo '{"base": "b0@width=0.1,depth=0.1,resolution=32", "choices": {"kernel": [3]}}' > one.json; effnet search s --space one.json
echo 'kernel = 3' > text.json; effnet search s --space text.json
: > zero.json; effnet search s --space zero.json
effnet search s --space missing.json
effnet search s --space smal
echo '{"base": "b0", "choices": {"op": ["mbconv", "convnext"]}}' > op.json; effnet search s --space op.json
echo '{"base": "b0", "choices": {"kernel": [-3, 3]}}' > kernel.json; effnet search s --space kernel.json
echo '{"base": "b0", "choices": {"kernel": [4]}}' > even.json; effnet search s --space even.json
effnet search s --space toy.json --limit macs=1
effnet search s --space toy.json --limit params=1k,macs=1G
effnet search s --space toy.json --limit latency=1us 2>&1 | sed 's/takes [0-9.e-]* ms/takes ... ms/'
effnet search s --space toy.json --hard --target 1
effnet search s --space toy.json --controller annealing
effnet search s --space toy.json --limit foo=1
effnet search s --space toy.json --limit macs
effnet search s --space toy.json --target x
effnet search s --space toy.json --target 20Q
effnet search s --space toy.json --against b0x
effnet search s --space toy.json --against b0,b1,b2,b3,b4
effnet search s --space toy.json --base b0x
effnet search s --space toy.json --base resnet18@resolution=32
effnet search none --space toy.json
effnet search
effnet search s --space toy.json --time soon
effnet search s --space toy.json --time 1s -e 50 -o late 2>&1 | sed 's/take [0-9]* s/take ... s/'
effnet search s --space toy.json --trials 0
effnet search s --space toy.json --set head-first=1
effnet search s --space toy.json -e 2 --set lr=0.1 -o r
echo text > no.db; effnet search s --space toy.json --store no.db
effnet scale study s --base b0@width=0.1,depth=0.1,resolution=32 -e 1 --store r/trials.db --quiet
ls -d search late
