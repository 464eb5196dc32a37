#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What the library shows: every exported name begins eff_, is declared in a public header, and every function declared
# there is exported; the list of them in the Debian package is the same. And what it runs on: wide registers appear only in the objects of the CPU levels, so that the rest
# starts on any x86-64. Usage: symbols.sh SOURCE_DIR SHARED_LIBRARY STATIC_LIBRARY
set -u
source=$1 shared=$2 static=$3
bad=0
complain() { printf '%s\n' "$*"; bad=1; }

exported=$(nm -D --defined-only "$shared" | awk '{ print $3 }' | sort -u)
# A declaration may go over several lines; the name is the word before the first parenthesis after EFF_API.
declared=$(grep -hv '^#' "$source"/include/effnet/*.h | tr '\n' ' ' | grep -o 'EFF_API [^(;]*(' |
    sed 's/ *($//; s/.*[ *]//' | sort -u)
[ -n "$exported" ] || complain "no exported symbol found"
[ -n "$declared" ] || complain "no declaration found"
for name in $exported; do
    printf '%s\n' "$declared" | grep -qx "$name" || complain "$name: exported, but no public header declares it"
done
for name in $declared; do
    printf '%s\n' "$exported" | grep -qx "$name" || complain "$name: declared in a public header, but not exported"
    case $name in
    eff_*) ;;
    *) complain "$name: a public name begins eff_" ;;
    esac
done

listed=$(sed -n 's/^ \(.*\)@Base .*/\1/p' "$source/debian/libeffnet0.symbols" | sort)
[ "$listed" = "$exported" ] || complain "debian/libeffnet0.symbols: not what is exported:" \
    "$(printf '%s\n%s\n' "$listed" "$exported" | sort | uniq -u)"

if [ "$(uname -m)" = x86_64 ]; then
    wide=$(objdump -d --no-show-raw-insn "$static" |
        awk '/file format/ { member = $1 } /%[yz]mm/ { print member }' | sort -u)
    [ -n "$wide" ] || complain "no object uses wide registers: the CPU levels are missing"
    for member in $wide; do
        member=${member%.o:}
        case $member in
        *_avx2.c | *_avx512.c) ;;
        *) [ -f "$source/src/kernels/vec/$member" ] || complain "$member: wide registers, but not of a CPU level" ;;
        esac
    done
fi
exit $bad
