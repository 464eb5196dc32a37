# A set of our own, and a base so small that a study takes a blink.
effnet data synth s --classes 2 --train 8 --val 4 --size 40 --quiet
effnet scale study s --base b0@width=0.1,depth=0.1,resolution=32 --plan --points 2 -e 1 --no-figure4 | sed 's/ *[0-9.]* s$/  .../; s/about .* in all/about ... in all/;/^training takes/d'
ls -d scale-study
effnet scale study s --base b0@width=0.1,depth=0.1,resolution=32 --points 2 --repeats 1 -e 1 --figure4 -o r 2>&1 | grep -c '^effnet: [1-7]/7  .*, seed 0: top-1 '
ls r
head -n 2 r/study.csv | cut -d, -f1-11
# Once more: all is there already.
effnet scale study s --base b0@width=0.1,depth=0.1,resolution=32 --points 2 --repeats 1 -e 1 --figure4 -o r --quiet --json | tr ',' '\n' | grep -E '"trials_|"kind|"repeats|"epochs"'
# A fit, and what it leaves for a study.
effnet scale fit s --base b0@width=0.1,depth=0.5,resolution=32,divisor=1 --repeats 1 -e 1 --paid 0.15 -o f --quiet --set batch=2 | sed -n '1p;/^paid/p;/^f holds/p'
ls f
effnet scale study s --base b0@width=0.1,depth=0.1,resolution=32 --constants f/trials.db --plan -e 1 --json | tr ',' '\n' | grep -c '"alpha"'
# What cannot be: one line each.
effnet scale study s --alpha 0.9
effnet scale study s --alpha 2 --beta 2
effnet scale fit s --base b0@width=0.1,resolution=32 --target 2.03 --tolerance 0.001 --quiet
effnet scale fit s --base b0@width=0.1,resolution=32 --paid 0.001 --quiet
effnet scale fit s --step 0 --quiet
effnet scale study s --base b0@width=0.1,resolution=24 --quiet
effnet scale study s --base b0x --quiet
effnet scale study s --base missing.json --quiet
effnet scale study none --quiet
mkdir -p empty/a empty/b; effnet scale study empty --quiet
effnet scale study s --points 1
effnet scale study s --time soon
effnet scale study s --base b0@width=0.1,depth=0.1,resolution=32 --time 0.01s --quiet -e 1 -o late 2>&1 | sed 's/takes.*: expected/takes ...: expected/'
ls -d late scale-fit
effnet scale study s --base b0@width=0.1,depth=0.1,resolution=32 --set head-first=1 --quiet
effnet scale study s --base b0@width=0.1,depth=0.1,resolution=32 --augment standard --quiet
effnet scale study s --base b0@width=0.1,depth=0.1,resolution=32 -e 2 -o r --quiet
effnet scale study s --base b0@width=0.1,depth=0.5,resolution=32 -e 1 -o r --quiet
effnet scale study s --base b0@width=0.1,depth=0.1,resolution=32 -e 1 --store f/trials.db --quiet
echo text > no.db; effnet scale study s --base b0@width=0.1,depth=0.1,resolution=32 -e 1 --store no.db --quiet
effnet scale study s --constants no.db --quiet
effnet scale study s --constants r/trials.db --quiet
effnet scale study s --constants missing.json --quiet
effnet scale fit
