#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Advice on real photographs against a real run: `sh advise_shared.sh PROGRAM SHARED`. With only Lite weights at hand a
# network with weights is recommended, and the training that the advice foretells is then done: its time and memory must
# be within a quarter of what was said. Skipped (77) without the photographs or without the weights in the cache.
set -u
program=$1
shared=${EFFNET_SHARED:-$2}
data=$shared/data/batik10
cache=${EFFNET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/effnet}
if [ ! -d "$data" ] || [ ! -f "$cache/lite0.pth" ]; then
    echo "skipped: no batik10 or no lite0.pth"
    exit 77
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/effnet-advise-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir "$work/cache"
for name in lite0 lite1 lite2; do
    [ -f "$cache/$name.pth" ] && ln -s "$cache/$name.pth" "$work/cache/$name.pth"
done
export EFFNET_CACHE="$work/cache"

"$program" advise "$data" --json >"$work/advice.json" || exit 1
# Values of the first variant, which is the recommended one.
field() { sed 's/[,{]/\n/g' "$1" | sed -n "s/^ *\"$2\": *\"\{0,1\}\([^\"}]*\)\"\{0,1\}.*/\1/p" | head -n 1; }
model=$(field "$work/advice.json" recommended)
case $model in
efficientnet-lite[012]) ;;
*) echo "FAIL: recommended $model"; exit 1 ;;
esac
[ "$(field "$work/advice.json" pretrained)" = true ] || { echo "FAIL: an untrained network is recommended"; exit 1; }
command=$(field "$work/advice.json" command)
hours=$(field "$work/advice.json" train_hours)
memory=$(field "$work/advice.json" memory_mb)

cd "$work" || exit 1
# shellcheck disable=SC2086 # words of a command whose paths hold no spaces
"$program" ${command#effnet } --out run --json >metrics.json 2>/dev/null || { echo "FAIL: $command"; exit 1; }
seconds=$(field metrics.json seconds)
rss=$(field metrics.json rss_mb)
echo "$model: said $(echo "$hours" | awk '{ printf "%.0f", 3600 * $1 }') s and $memory MB, took $seconds s and $rss MB"
awk -v h="$hours" -v s="$seconds" -v m="$memory" -v r="$rss" 'BEGIN {
    time = 3600 * h / s; space = m / r
    if (time < 0.75 || time > 1.25 || space < 0.75 || space > 1.25) { print "FAIL: beyond a quarter"; exit 1 }
}'
