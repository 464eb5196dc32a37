#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One command from a bare Debian 12 to a tested build: installs packages, builds, runs the fast suite, ends with
# ctest's summary. `--preset asan` (or tsan, clang, dev) tests that build; further arguments go to ctest (`-R image`,
# `-L unit`). Before them, in this order, --target names what alone to build, --skip a label to leave out. Tests whose data is
# not on this machine (the shared reference data, the released weights that tools/fetch_weights.sh obtains) are
# skipped, and ctest names them.
set -u
me="test"
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"

preset=release
if [ "${1:-}" = --preset ]; then
    [ $# -ge 2 ] || die "--preset needs a name of CMakePresets.json"
    preset=$2
    shift 2
fi
target=
if [ "${1:-}" = --target ]; then
    [ $# -ge 2 ] || die "--target needs a name"
    target=$2
    shift 2
fi
skip=long
if [ "${1:-}" = --skip ]; then
    [ $# -ge 2 ] || die "--skip needs a label"
    skip="^(long|$2)\$"
    shift 2
fi
job=
if [ "$preset" = clang ]; then job=ci; fi
# shellcheck disable=SC2086 # empty or one word
sh "$root/tools/setup.sh" build test $job || exit 1
# shellcheck disable=SC2086 # likewise
build "$preset" $target

EFFNET_CACHE=$(cache_dir)
export EFFNET_CACHE
set -- ctest --test-dir "$root/$(build_dir "$preset")" --output-on-failure --no-tests=error --label-exclude "$skip" \
    --parallel "$(nproc)" "$@"
# ThreadSanitizer finds no room for its shadow memory when the kernel randomises addresses over many bits.
if [ "$preset" = tsan ] && setarch -R true 2> /dev/null; then set -- setarch -R "$@"; fi
exec "$@"
