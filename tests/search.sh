#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A search through the program: killed and started again, shared by two processes, one of them killed in a trial; what is found is what a search
# finds that nothing disturbed, and no trial is done twice. `sh search.sh PROGRAM KILLS`
set -u
program=$1
kills=$2
command -v sqlite3 > /dev/null || { echo "sqlite3 is needed: sh tools/setup.sh test"; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/effnet-search-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1
fail() { echo "FAIL: $*"; exit 1; }
"$program" data synth cloth --classes 2 --train 12 --val 6 --size 32 --quiet > /dev/null || fail "the set cannot be made"
cat > toy.json << 'END'
{ "name": "toy", "base": "b0@width=0.1,depth=0.1,resolution=32,divisor=4",
  "stages": [ { "fixed": true }, { "kernel": [3, 5], "expand": [3, 6] }, { "op": ["mbconv", "fused"], "filters": [0.75, 1, 1.25] },
              { "fixed": true }, { "se": [0, 0.25], "layers": [0, 1] }, { "fixed": true }, { "fixed": true } ] }
END
begin() # replaces the shell: for the background, where $! must be the program
{
    out=$1
    shift
    exec "$program" search cloth --space toy.json --trials 8 --epochs 2 --finalists 2 --sample 2 --repeats 1 --ahead 2 --seed 5 --out "$out" --quiet "$@"
}
search() { (begin "$@") > /dev/null; }
results() { cut -d, -f1-7,9- < "$1/search.csv"; } # all but the seconds
ask() { sqlite3 -cmd ".timeout 5000" "$1/trials.db" "$2" 2> /dev/null; }
held_by() { ask "$1" "SELECT count(*) FROM trial JOIN worker ON worker.id = trial.worker WHERE trial.state = 1 AND worker.pid = $2"; }
begun_again() { ask "$1" "SELECT count(*) FROM trial WHERE claims > 1"; }
done_jobs() { sed -n 's/^ "jobs_done": \([0-9]*\),$/\1/p' "$1/search.json"; }
in_trial() # out, pid: waits until it is at one
{
    tries=0
    while [ "$(held_by "$1" "$2")" != 1 ]; do
        [ $tries -lt 1000 ] && kill -0 "$2" 2> /dev/null || return 1
        sleep 0.02
        tries=$((tries + 1))
    done
}
check() # name, what it was
{
    results "$1" | cmp -s - want || fail "$2: other children or scores"
    cmp -s "$1/best.json" whole/best.json || fail "$2: another network"
    [ "$(done_jobs "$1")" = "$jobs" ] || fail "$2: $(done_jobs "$1") trials in place of $jobs"
}

search whole --threads 2 || fail "the search that nothing disturbs"
results whole > want
jobs=$(done_jobs whole)
[ "$(wc -l < want)" -ge 9 ] || fail "children are missing"

# Two processes, a thread each; one more is killed while it is at a trial.
begin both --threads 1 > /dev/null &
one=$!
begin both --threads 1 > /dev/null &
two=$!
begin both --threads 1 > /dev/null 2>&1 &
three=$!
in_trial both $three || fail "the third never had a trial"
kill -KILL $three 2> /dev/null
wait $three 2> /dev/null
wait $one || fail "the first of two"
wait $two || fail "the second of two"
check both "two processes"
[ "$(begun_again both)" -ge 1 ] || fail "two processes: the killed one's trial was not begun again"

# Killed in its first trial, then at moments spread over the search, so that nothing can be tidied up.
i=0
while [ $i -lt "$kills" ]; do
    begin killed --threads 2 > /dev/null 2>&1 &
    pid=$!
    if ! in_trial killed $pid; then # it was over before
        wait $pid || fail "a search after $i kills"
        break
    fi
    [ $i -eq 0 ] || sleep "0.$((i * 37 % 60 + 10))"
    kill -KILL $pid 2> /dev/null
    wait $pid 2> /dev/null
    i=$((i + 1))
done
search killed --threads 2 || fail "after $kills kills"
[ "$(begun_again killed)" -ge 1 ] || fail "no kill met a trial"
check killed "killed"
search killed --threads 2 || fail "once more"
check killed "once more"
echo "figure: searches that end otherwise, $i kills, two processes: 0 (at most 0)"
