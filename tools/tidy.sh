#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# clang-tidy over src/ and cli/ with the checks of .clang-tidy: `sh tools/tidy.sh [FILES...]`. A source that is compiled
# for several CPU levels is looked at once, as the first of them. No output and status 0: nothing found.
set -u
me=tidy
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"
cd "$root" || exit 1

sh tools/setup.sh build lint || exit 1
dir=build/tidy
mkdir -p build
cmake --preset release -B "$dir" -DEFF_TESTS=OFF > "$dir.log" 2>&1 || die "cmake failed: $(tail -n 3 "$dir.log")"
python3 - "$dir/compile_commands.json" <<'EOF' || exit 1
import json, sys
with open(sys.argv[1], encoding="utf-8") as f:
    first = {}
    for entry in json.load(f):
        first.setdefault(entry["file"], entry)
with open(sys.argv[1], "w", encoding="utf-8") as f:
    json.dump(list(first.values()), f, indent=1)
EOF
[ $# -gt 0 ] || set -- $(git ls-files 'src/*.c' 'cli/*.c')
printf '%s\n' "$@" | xargs -P "${JOBS:-$(nproc)}" -n 4 clang-tidy-14 -p "$dir" --quiet 2> "$dir.log"
