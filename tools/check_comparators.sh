#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# usage: check_comparators.sh DIR [BUILD [CPU...]]
# Holds effnet against what tools/make_comparators.py wrote to DIR: every checkpoint is converted, must be named as
# expected, and its logits must lie within max(1e-3 std over classes, 10 times the library's own float32 deviation) of the
# float64 run, at every CPU level given (avx2 and avx512 by default; ref takes its time). BUILD is the build folder.
set -u
me="check_comparators"
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"

[ $# -ge 1 ] || die "usage: check_comparators.sh DIR [BUILD [CPU...]]"
dir=$1
build=${2:-$root/build}
if [ $# -gt 2 ]; then shift 2; else set -- avx2 avx512; fi
[ -f "$dir/summary.tsv" ] || die "$dir/summary.tsv is not there: run tools/make_comparators.py first"
effnet=$(find "$build" -name effnet -type f -perm -u+x | head -n 1)
logits=$(find "$build" -name tool_logits -type f -perm -u+x | head -n 1)
if [ ! -x "$effnet" ] || [ ! -x "$logits" ]; then die "no effnet and tool_logits in $build: build it first"; fi
model=$(mktemp -d)/model.effnet || exit 1
trap 'rm -rf "$(dirname "$model")"' EXIT

failures=0 runs=0 last=
tab=$(printf '\t')
while IFS=$tab read -r file options network h w npy _; do
    [ "$file" != file ] || continue
    if [ "$file" != "$last" ]; then
        last=$file
        [ "$options" != - ] || options=
        # shellcheck disable=SC2086 # words
        if ! (cd "$dir" && "$effnet" convert "$file" "$model" $options) > "$model.log" 2>&1; then
            say "$file: $(cat "$model.log")"
            failures=$((failures + 1))
            last=
            continue
        fi
        # shellcheck disable=SC2086
        found=$(cd "$dir" && "$effnet" info "$file" $options | sed -n '1s/: .*//p')
        if [ "$found" != "$network" ]; then
            say "$file: expected $network, found $found"
            failures=$((failures + 1))
        fi
    fi
    for cpu; do
        runs=$((runs + 1))
        printf '%-40s ' "$file"
        "$logits" "$model" "$h" "$w" "$dir/$npy" "$cpu" || failures=$((failures + 1))
    done
done < "$dir/summary.tsv"
say "$runs comparisons, $failures failures"
[ "$failures" -eq 0 ] && [ "$runs" -gt 0 ]
