#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Transcript tests of the program. A case is NAME.cmd beside this script: a shell command a line, '#' lines are kept as they
# are. Each runs in a fresh folder; what it printed (stderr marked '! ', a status other than 0 as '= N') must equal NAME.out.
#   sh tests/cli/run.sh PROGRAM SYNTH [CASE...]           compare (all cases unless some are named)
#   sh tests/cli/run.sh --bless PROGRAM SYNTH [CASE...]   write what is printed now as what is expected
set -u
here=$(cd "$(dirname "$0")" && pwd)
bless=0
if [ "${1:-}" = --bless ]; then bless=1; shift; fi
if [ $# -lt 2 ]; then echo "usage: run.sh [--bless] PROGRAM SYNTH [CASE...]" >&2; exit 2; fi
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
synth=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
shift 2
work=$(mktemp -d "${TMPDIR:-/tmp}/effnet-cli-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
mkdir "$work/bin"
ln -s "$program" "$work/bin/effnet"
ln -s "$synth" "$work/bin/synth"

# One line of a case: in a clean environment, in the case's folder.
run_line() {
    env -i PATH="$work/bin:/usr/bin:/bin" HOME="$work" LC_ALL=C TERM=dumb ${EFFNET_CPU:+EFFNET_CPU="$EFFNET_CPU"} \
        ${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} ${UBSAN_OPTIONS:+UBSAN_OPTIONS="$UBSAN_OPTIONS"} \
        sh -c "$1" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    cat "$work/out"
    sed 's/^/! /' "$work/err"
    [ $status -eq 0 ] || echo "= $status"
}

transcript() {
    mkdir "$work/$1"
    ln -s "$here/../data" "$work/$1/data"
    cd "$work/$1" || exit 1
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        '' | '#'*) printf '%s\n' "$line" ;;
        *) printf '$ %s\n' "$line"; run_line "$line" ;;
        esac
    done <"$here/$1.cmd"
    cd "$here" || exit 1
}

if [ $# -eq 0 ]; then
    for f in "$here"/*.cmd; do set -- "$@" "$(basename "$f" .cmd)"; done
fi
failed=0
for name in "$@"; do
    transcript "$name" >"$work/$name.out"
    if [ $bless -eq 1 ]; then
        cp "$work/$name.out" "$here/$name.out"
    elif diff -u "$here/$name.out" "$work/$name.out" >"$work/diff"; then
        echo "ok   $name"
    else
        echo "FAIL $name"
        cat "$work/diff"
        failed=1
    fi
done
exit $failed
