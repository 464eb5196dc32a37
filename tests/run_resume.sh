#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A run that is cut off goes on to the same model: `sh run_resume.sh PROGRAM scratch|transfer KILLS`. A short training run is killed (KILL, so that nothing
# can be tidied up) KILLS times at moments spread over its length, taken up again each time, and must end with the SHA-256 of the model
# of the run that nothing disturbed; so must runs on 1, 2 and 3 threads, one that is asked to stop (TERM), and one whose disk was full.
set -u
program=$1
mode=$2
kills=$3
work=$(mktemp -d "${TMPDIR:-/tmp}/effnet-resume-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1
fail() { echo "FAIL: $*"; exit 1; }
sum() { sha256sum < "$1" | cut -d ' ' -f 1; }

"$program" data synth cloth --classes 3 --train 12 --val 4 --size 48 --quiet > /dev/null || fail "the set cannot be made"

# Transfer starts from a model of the same shape: classifier on cached features, frozen batch norm, class weights.
if [ "$mode" = transfer ]; then
    "$program" train cloth --model b0@width=0.25,depth=0.3,resolution=48 --recipe scratch-small --epochs 1 --seed 1 --quiet \
        --out pre > /dev/null || fail "no weights to start from"
fi

# Batch statistics, averages, dropout and stochastic depth, mixing and augmentation: everything that a state must hold.
begin() # replaces the shell: for the background, where $! must be the program
{
    run=$1
    shift
    if [ "$mode" = transfer ]; then
        exec "$program" train cloth --from pre/model.effnet --epochs 4 --batch 8 --seed 3 --set class-weights=0.9,micro-batch=3 \
            --save-every 0.02s --out "$run" --quiet "$@"
    fi
    exec "$program" train cloth --model b0@width=0.25,depth=0.3,resolution=48 --recipe scratch-small --epochs 4 --batch 8 --seed 3 \
        --set mixup=0.2,cutmix=0.5,micro-batch=3 --save-every 0.02s --out "$run" --quiet "$@"
}
train() { (begin "$@"); }

start=$(date +%s%N)
train whole > /dev/null || fail "the run that nothing disturbs"
length=$((($(date +%s%N) - start) / 1000000))
want=$(sum whole/model.effnet)
echo "undisturbed: $length ms, $want"

for threads in 1 2 3; do
    train "threads$threads" --threads $threads > /dev/null || fail "$threads threads"
    [ "$(sum "threads$threads/model.effnet")" = "$want" ] || fail "$threads threads: another model"
done

# Moments by a fixed sequence over the run's length and a little beyond; a run may be killed several times on its way.
i=0
state=12345
while [ $i -lt "$kills" ]; do
    state=$(((state * 1103515245 + 12345) % 2147483648))
    wait_ms=$((state / 7 % (length + length / 8)))
    rm -rf killed
    begin killed > /dev/null 2>&1 &
    pid=$!
    sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
    kill -KILL $pid 2> /dev/null
    wait $pid 2> /dev/null
    i=$((i + 1))
    if [ $i -lt "$kills" ] && [ $((state / 3 % 3)) -eq 0 ] && [ -e killed/args.json ]; then # and once more while it is going on
        "$program" train --resume killed --save-every 0.02s --quiet > /dev/null 2>&1 &
        pid=$!
        sleep "$(printf '0.%03d' $((state / 11 % 400)))"
        kill -KILL $pid 2> /dev/null
        wait $pid 2> /dev/null
        i=$((i + 1))
    fi
    if [ -e killed/args.json ]; then
        "$program" train --resume killed --quiet > /dev/null || fail "killed after $wait_ms ms: cannot go on"
    else # before there was anything to go on with
        train killed > /dev/null || fail "killed after $wait_ms ms: cannot begin again"
    fi
    [ "$(sum killed/model.effnet)" = "$want" ] || fail "killed after $wait_ms ms: another model"
    [ -z "$(find killed -name '*.tmp*' -newer killed/model.effnet)" ] || fail "killed after $wait_ms ms: a temporary file stayed"
done
echo "killed $i times"

# Asked to stop: the step is finished and saved, the status is the signal's.
begin asked > /dev/null 2> asked.err &
pid=$!
while [ ! -e asked/args.json ] && kill -0 $pid 2> /dev/null; do sleep 0.01; done
kill -TERM $pid
wait $pid
status=$?
if [ $status -ne 0 ]; then
    [ $status -eq 143 ] || fail "TERM: expected status 143, found $status"
    grep -q -- '--resume asked' asked.err || fail "TERM: $(cat asked.err)"
    "$program" train --resume asked --quiet > /dev/null || fail "TERM: cannot go on"
fi
[ "$(sum asked/model.effnet)" = "$want" ] || fail "TERM: another model"

# The disk is full (a file may not grow past 100 blocks): one line, status 1, and the last save is what it was.
rm -rf full
begin full > /dev/null 2>&1 &
pid=$!
while [ ! -e full/args.json ] && kill -0 $pid 2> /dev/null; do sleep 0.01; done
kill -KILL $pid 2> /dev/null
wait $pid 2> /dev/null
before=$(sum full/last.state)
(trap '' XFSZ; ulimit -f 100; exec "$program" train --resume full --save-every 0.01s --quiet > /dev/null 2> full.err)
status=$?
[ $status -eq 1 ] || fail "disk full: expected status 1, found $status: $(cat full.err)"
[ "$(wc -l < full.err)" -eq 1 ] || fail "disk full: expected one line, found: $(cat full.err)"
[ "$(sum full/last.state)" = "$before" ] || fail "disk full: the last save was touched"
[ -z "$(find full -name '*.tmp*')" ] || fail "disk full: a temporary file stayed"
"$program" train --resume full --quiet > /dev/null || fail "disk full: cannot go on"
[ "$(sum full/model.effnet)" = "$want" ] || fail "disk full: another model"
echo "figure: runs that end with another model, 3 numbers of threads, $i kills, a stop, a full disk: 0 (at most 0)"
