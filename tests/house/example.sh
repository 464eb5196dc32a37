#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The example says what the program says, in fewer than 60 lines, and fails with one line; with --valgrind it does so
# without an error or a leak (77: no valgrind here). Usage: example.sh [--valgrind] SOURCE_DIR EXAMPLE PROGRAM SYNTH
set -u
watch=
if [ "$1" = --valgrind ]; then
    shift
    command -v valgrind > /dev/null || exit 77
    watch="valgrind -q --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all --error-exitcode=99"
fi
source=$1 example=$2 program=$3 synth=$4
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0
complain() { printf '%s\n' "$*"; bad=1; }

[ "$(wc -l < "$source/examples/classify.c")" -lt 60 ] || complain "classify.c: 60 lines or more"
"$synth" model small.effnet && "$synth" trained trained.effnet && "$synth" png 60 80 1 photo.png &&
    "$synth" jpeg 80 60 2 photo.jpg || exit 1
for pair in 'small.effnet photo.png' 'small.effnet photo.jpg' 'trained.effnet photo.png'; do # the last with a temperature
    # shellcheck disable=SC2086 # words
    $watch "$example" $pair > got 2> err || complain "$pair: status $?" "$(cat err)"
    # shellcheck disable=SC2086 # words
    "$program" predict $pair | sed 1d > want
    [ "$(wc -l < want)" -eq 5 ] || complain "$pair: the program gave no five labels"
    diff want got || complain "$pair: the example differs from the program"
done
for wrong in 'missing.effnet photo.png' 'small.effnet missing.png' 'photo.png photo.png' 'b0 photo.png' 'small.effnet'; do
    # shellcheck disable=SC2086 # words
    $watch "$example" $wrong > got 2> err
    status=$?
    [ $status -eq 1 ] || [ $status -eq 2 ] || complain "classify $wrong: status $status" "$(cat err)"
    if [ -s got ] || [ "$(wc -l < err)" -ne 1 ]; then
        complain "classify $wrong: expected one line on stderr, found" "$(cat got err)"
    fi
done
exit $bad
