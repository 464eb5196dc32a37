#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A study through the program: killed and started again, and shared by two processes; the results are those of one that nothing disturbed.
# `sh study.sh PROGRAM KILLS [EPOCHS]`
set -u
program=$1
kills=$2
epochs=${3:-6}
work=$(mktemp -d "${TMPDIR:-/tmp}/effnet-study-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1
fail() { echo "FAIL: $*"; exit 1; }
"$program" data synth cloth --classes 3 --train 16 --val 8 --size 48 --quiet > /dev/null || fail "the set cannot be made"
begin() # replaces the shell: for the background, where $! must be the program
{
    out=$1
    shift
    exec "$program" scale study cloth --base b0@width=0.1,depth=0.1,resolution=32,divisor=1 --points 2 --repeats 3 --no-figure4 --epochs "$epochs" --seed 5 --out "$out" \
        --quiet "$@"
}
study() { (begin "$@") > /dev/null; }
results() { cut -d, -f1-12 < "$1/study.csv"; } # all but the seconds
trials() { sed -n 's/^ "trials_done": \([0-9]*\),$/\1/p' "$1/study.json"; }

study whole --threads 2 || fail "the study that nothing disturbs"
results whole > want
[ "$(grep -c ',,\|,$' want)" -eq 0 ] || fail "trials are missing"

# Two processes, a thread each.
begin both --threads 1 > /dev/null &
one=$!
begin both --threads 1 > /dev/null &
two=$!
wait $one || fail "the first of two"
wait $two || fail "the second of two"
results both | cmp -s - want || fail "two processes: other results"

# Killed at moments spread over it, so that nothing can be tidied up.
i=0
while [ $i -lt "$kills" ]; do
    begin killed --threads 2 > /dev/null 2>&1 &
    pid=$!
    sleep "0.$((i * 37 % 60 + 20))"
    kill -KILL $pid 2> /dev/null
    wait $pid 2> /dev/null
    i=$((i + 1))
done
study killed --threads 2 || fail "after $kills kills"
results killed | cmp -s - want || fail "killed: other results"

# Asked to stop: what is done is kept and shown, and the same command goes on.
begin stopped --threads 2 > /dev/null 2>&1 &
pid=$!
sleep 0.8
kill -TERM $pid 2> /dev/null
wait $pid
status=$?
[ $status -eq 143 ] || [ $status -eq 0 ] || fail "stopped: status $status"
[ $status -eq 0 ] || [ ! -f stopped/study.json ] || [ "$(trials stopped)" -lt "$(trials whole)" ] || fail "stopped: nothing was left to do"
study stopped --threads 2 || fail "after a stop"
results stopped | cmp -s - want || fail "stopped: other results"
echo "figure: studies that end otherwise, $i kills, two processes, a stop: 0 (at most 0)"
