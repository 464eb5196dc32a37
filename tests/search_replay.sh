#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The replay of controllers on a bench of the space "bench" that a formula makes: what it prints and writes, twice the same, and
# benches that are none. `sh search_replay.sh PROGRAM`
set -u
program=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/effnet-replay-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1
fail() { echo "FAIL: $*"; exit 1; }

# 256 children: eight decisions of two options. top1 has a part for each, one for two together, and a remainder that looks like chance.
awk 'BEGIN {
    OFS = "\t"
    print "# made by formula"
    print "seconds", "child", "macs", "params", "top1"
    for (i = 0; i < 256; i++) {
        text = ""; top1 = 0.5; macs = 100000
        for (d = 0; d < 8; d++) {
            bit = int(i / 2 ^ d) % 2
            b[d] = bit
            text = text bit (d == 0 || d == 2 || d == 4 || d == 5 ? "-" : "")
            top1 += 0.01 * bit * (d % 3 - 0.6)
            macs += 9000 * bit * (1 + d % 4)
        }
        top1 += 0.02 * (b[1] == b[6]) + 0.015 * ((i * 7919) % 257 / 257 - 0.5)
        print 1, text, macs, int(macs / 9), sprintf("%.4f", top1)
    }
}' > bench.tsv
"$program" bench bench.tsv seeds=20 evaluations=120 out=curves > first || fail "the replay"
"$program" bench bench.tsv seeds=20 evaluations=120 > again || fail "the replay again"
cmp -s first again || fail "other figures the second time"
cat first
[ "$(cut -f1 first | tr '\n' ' ' | sed 's/^[^r]*256 children.*evaluations //')" = "controller random evolution ppo exact_random " ] ||
    fail "rows: $(cut -f1 first | tr '\n' ' ')"
# Six of 256 are the best 2 %: 257 / 7 evaluations by chance.
grep -q "^exact_random.*36.71" first || fail "the expectation of random search"
awk -F'\t' '$1 == "random" && ($7 > 36.71 || $8 < 36.71) { bad = 1 } END { exit bad }' first ||
    fail "random search does not agree with its expectation"
awk -F'\t' '($1 == "evolution" || $1 == "ppo") && !($10 > 0) { bad = 1 } END { exit bad }' first || fail "no faster than random search"
awk -F'\t' 'NR == 1 { n = NF }
    NF != n { bad = 1 }
    NR > 1 { for (k = 2; k <= NF; k++) if ((k % 3 == 0 || k == 2) && NR > 2 && $k < last[k] - 1e-9) bad = 1; else last[k] = $k }
    END { exit bad || NR != 121 || n != 11 }' curves.tsv || fail "the curves"
grep -q '</svg>' curves.svg || fail "the chart"

refuses() # WHAT WANTED: the bench on stdin
{
    cat > bad.tsv
    "$program" bench bad.tsv > out 2> message && fail "$1: accepted"
    [ "$(cat message)" = "search_replay: bad.tsv: $2" ] || fail "$1: $(cat message)"
}
grep -v '	1-10-11-0-01	' bench.tsv | refuses "a child left out" \
    "expected all 256 networks of the space, found 255; 1-10-11-0-01 is not there"
{ cat bench.tsv; tail -1 bench.tsv; } | refuses "a child twice" "child 1-11-11-1-11 twice"
sed 's/	0-00-00-0-00	/	0-00-02-0-00	/' bench.tsv | refuses "an option that is not there" \
    "line 3: child: expected a digit in 0..1 for stages[3].filters after 6 bytes, found '2-0-00'"
sed '9s/0\.[0-9]*$/1.5/' bench.tsv | refuses "an accuracy above 1" "line 9: top1: expected a number in 0..1, found '1.5'"
sed '5s/	[0-9]*	/	many	/' bench.tsv | refuses "a count that is none" "line 5: macs: expected a number in 1..1e+15, found 'many'"
sed 's/top1/accuracy/' bench.tsv | refuses "no accuracies" "line 2: no column 'top1'"
sed '7s/$/	x/' bench.tsv | refuses "a column too many" "line 7: expected 5 columns, found 6"
: | refuses "nothing" "no header"
"$program" bench bench.tsv seeds=1 2> message && fail "one seed: accepted"
[ "$(cat message)" = "search_replay: seeds: expected a number in 2..1000, found '1'" ] || fail "one seed: $(cat message)"
exit 0
