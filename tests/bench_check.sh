#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What a number format costs, as `effnet bench --check` says it: `sh bench_check.sh PROGRAM SYNTH`. Where the CPU, or
# EFFNET_CPU, has no bfloat16, that is what it says.
set -u
program=$1
synth=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/effnet-check-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work" || exit 1
fail() { echo "FAIL: $*"; exit 1; }

"$synth" trained small.effnet || fail "no model"
mkdir pictures
for i in 1 2 3; do "$synth" png 40 50 $i pictures/$i.png || fail "no picture"; done
check() { "$program" bench small.effnet --dtype bf16 --min-time 0 --check "$@"; }

check pictures > text 2> errors
status=$?
if [ $status -eq 2 ]; then # one line that says what is missing, and nothing else
    [ "$(wc -l < errors)" -eq 1 ] && [ ! -s text ] || fail "refused: $(cat errors text)"
    grep -q 'expected a CPU with AVX512_BF16 (level avx512bf16), found level' errors || fail "refused: $(cat errors)"
    exit 0
fi
[ $status -eq 0 ] || fail "status $status: $(cat errors)"
grep -q 'first on [0-3] of 3 images' text || fail "text: $(cat text)"

check pictures/1.png pictures --json > json || fail "JSON"
grep -q '"images": 4, "unreadable": 0, "top1_agreement": ' json || fail "JSON: $(cat json)"
# It is another format (a difference), and a near one: 8 bits of precision through a small network.
worst=$(grep -o '"max_difference": [0-9.e-]*' json | cut -d ' ' -f 2)
awk "BEGIN { exit !($worst > 1e-7 && $worst < 0.1) }" || fail "largest difference $worst"

# A picture that cannot be read is named, and the others go on.
echo no picture > pictures/4.png
check pictures --json > json 2> errors
[ $? -eq 3 ] || fail "a bad picture: status"
grep -q '^effnet: pictures/4.png: ' errors || fail "a bad picture: $(cat errors)"
grep -q '"images": 3, "unreadable": 1' json || fail "a bad picture: $(cat json)"

# One answer on any number of threads, and not that of float32.
"$program" predict small.effnet pictures/1.png --dtype bf16 --logits --json --threads 1 > one || fail "predict"
"$program" predict small.effnet pictures/1.png --dtype bf16 --logits --json --threads 2 > two || fail "predict"
cmp -s one two || fail "another number of threads gives other logits"
"$program" predict small.effnet pictures/1.png --logits --json > plain || fail "predict"
cmp -s one plain && fail "bfloat16 gives the logits of float32"
echo "largest difference of a probability: $worst"
