#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The program as built here starts and works on a CPU without AVX, and on one with AVX2 alone, both emulated (77: no
# qemu-x86_64 here). Usage: oldcpu.sh PROGRAM SYNTH C_COMPILER
# shellcheck disable=SC2094 # out and err are two files
set -u
program=$1 synth=$2 cc=$3
command -v qemu-x86_64 > /dev/null || exit 77
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
unset EFFNET_CPU
bad=0
complain() { printf '%s\n' "$*"; bad=1; }
on() { cpu=$1; shift; qemu-x86_64 -cpu "$cpu" "$@" 2> err; } # qemu warns of features that it does not emulate

# A control: the emulated CPU must refuse what it is said not to have.
printf 'int main(void) { __asm__("vxorps %%ymm0, %%ymm0, %%ymm0"); return 0; }\n' > wide.c
"$cc" wide.c -o wide || exit 1
if (on Nehalem ./wide) 2> /dev/null; then complain "the emulated CPU without AVX runs AVX: nothing is tested"; fi
on Haswell ./wide || complain "the emulated CPU with AVX2 does not run AVX"

"$synth" model small.effnet && "$synth" png 60 80 1 photo.png && "$synth" jpeg 80 60 2 photo.jpg || exit 1
"$program" predict small.effnet photo.png photo.jpg > want || exit 1
for pair in Nehalem:ref qemu64:ref Haswell:avx2; do
    cpu=${pair%:*} level=${pair#*:}
    on "$cpu" "$program" --version > /dev/null || complain "$cpu: does not start:" "$(cat err)"
    on "$cpu" "$program" info b0 > out || complain "$cpu: info: status $?" "$(cat err)"
    grep -q '5,288,548' out || complain "$cpu: info b0 does not count its parameters"
    on "$cpu" "$program" predict small.effnet photo.png photo.jpg > got || complain "$cpu: predict: status $?" "$(cat err)"
    # printed to three decimals: levels differ by rounding, far behind those
    diff want got || complain "$cpu: predict differs from this CPU's"
    on "$cpu" "$program" bench small.effnet --min-time 0 --json > out || complain "$cpu: bench: status $?" "$(cat err)"
    grep -q "\"cpu\": \"$level\"" out || complain "$cpu: expected the kernels of level $level, found" "$(cat out)"
    on "$cpu" "$program" predict small.effnet photo.png --cpu avx512 > /dev/null ||
        complain "$cpu: --cpu avx512, which is a cap, ends with status $?"
done
exit $bad
