#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Help, man pages and documents agree. Of every command, the options that --help shows are those on its man page. Every command line in
# the documents is one that the program understands: it is given the words as they stand, then an option that does not exist, so that
# it reads and checks all of them and then stops. Options, variables, files and links that the documents name exist.
# With --contract: what cli.md of the shared reference data promises to scripts is there, or said to be for later (77: no such file).
# Usage: options.sh SOURCE_DIR BUILD_DIR PROGRAM [--contract SYNTH [FILE]]
set -u
absolute() { printf '%s\n' "$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"; }
source=$(cd "$1" && pwd) build=$(cd "$2" && pwd) program=$(absolute "$3")
if [ "${4:-}" = --contract ]; then
    contract=${6:-${EFFNET_SHARED:-$source/../shared}/cli.md}
    [ -f "$contract" ] || exit 77
    synth=$(absolute "$5") contract=$(absolute "$contract")
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0
exec 3>&1
complain() { printf '%s\n' "$*" >&3; bad=1; }
effnet() { env -i HOME="$work" LC_ALL=C TERM=dumb ${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} "$program" "$@" < /dev/null; }

# section TITLE: the names in a list of --help.
section() { sed -n "/^$1:\$/,/^\$/s/^  \([a-z][a-z]*\) .*/\1/p"; }

# shown WORD...: the options in a command's --help, one a line, both forms of --[no-]x.
shown()
{
    effnet help "$@" | sed -n 's/^  \(-[a-z]\), --/\1\n--/p; s/^      --/--/p' |
        sed -n 's/^\(--*[][a-z0-9-]*\).*/\1/p' | sed 's/^--\[no-\]\(.*\)/--\1\n--no-\1/'
}

# on_page FILE: those on a man page.
on_page()
{
    sed -n 's/^\.It Fl /Fl /p' "$1" | sed 's/ , /\n/g' | sed -n 's/^Fl \([^ ]*\).*/-\1/p' | sed 's/\\-/-/g'
}

# spans FILE: what stands in a document as code, one piece a line, behind its place. Wrapped pieces are joined.
spans()
{
    awk -v name="${1#"$source"/}" '
        function flush(  n, i, part) {
            n = split(text, part, "`")
            for (i = 2; i <= n; i += 2) print name ":" first "\t" part[i]
            text = ""
        }
        /^```/ { flush(); fenced = !fenced; next }
        fenced || /^    [^ ]/ {
            if (!fenced) flush()
            code = code $0
            if (sub(/\\$/, " ", code)) next
            sub(/#.*/, "", code)
            print name ":" NR "\t" code
            code = ""
            next
        }
        /^$/ || /^\|/ || /^#/ { flush() }
        { if (text == "") first = NR; text = text " " $0 }
        END { flush() }' "$1"
}

# calls: of such lines the calls of effnet, its name left out. What follows a semicolon goes on with the same command: "--x does this".
calls()
{
    awk -F '\t' '{
        gsub(/\\\|/, "/", $2)
        n = split($2, part, / \| |;|&&|[()]/)
        before = ""
        for (i = 1; i <= n; i++) {
            line = part[i]
            gsub(/[][]/, " ", line)
            sub(/^[ $]*/, "", line)
            while (line ~ /^(sudo|time|[A-Z_]+=[^ ]*) /) sub(/^[^ ]* +/, "", line)
            if (line ~ /^-/ && before != "") line = before " " line
            else if (line !~ /^([^ ]*\/)?effnet /) { before = ""; continue }
            else sub(/^[^ ]* +/, "", line)
            sub(/ --( .*)?$/, "", line)
            before = line
            sub(/ -.*/, "", before)
            print $1 "\t" line
        }
    }'
}

# understood PLACE WORD...: the program takes the words, up to values that only stand for some: N, HxW, A..B, "...".
understood()
{
    place=$1
    shift
    said=$(effnet "$@" --no-such-option --no-such-option 2>&1)
    case $said in
    *"'--no-such-option'"* | "effnet $1"*' - '*) return ;;
    esac
    found=$(printf '%s\n' "$said" | sed -n "s/.*: expected .*, found '\(.*\)' (see .*/\1/p")
    case $found in
    '' | *[!A-Zx.…]*) complain "$place: effnet $*" "    $(printf '%s\n' "$said" | head -n 1)" ;;
    esac
}

cd "$source" || exit 1
commands=$(effnet --help | section commands)
[ -n "$commands" ] || complain "effnet --help shows no commands"
for command in $commands; do
    echo "$command"
    effnet help "$command" | section "commands of $command" | sed "s/^/$command /"
done > "$work/commands"
while read -r words; do
    # shellcheck disable=SC2086 # words
    shown $words | sort > "$work/help"
    page=$build/man/effnet-$(printf '%s' "$words" | tr ' ' -).1
    on_page "$page" | sort > "$work/page" || complain "effnet $words: there is no man page"
    diff "$work/help" "$work/page" > "$work/diff" ||
        complain "effnet $words: --help (<) and man page (>) differ" "$(grep '^[<>]' "$work/diff")"
    sed "s/^/$words	/" "$work/help"
done < "$work/commands" > "$work/table"
cut -f2 "$work/table" | sort -u > "$work/options"
[ "$(wc -l < "$work/options")" -gt 50 ] || complain "expected more than 50 options, found $(wc -l < "$work/options")"
sort "$work/commands" > "$work/help"
sed -n 's/^\.It Xr effnet-\([a-z-]*\) 1$/\1/p' "$build"/man/*.1 | tr - ' ' | sort -u > "$work/page"
diff "$work/help" "$work/page" || complain "the lists of commands in --help (<) and man pages (>) differ"

if [ -n "${contract:-}" ]; then
    . "$source/tests/house/contract.sh"
    exit $bad
fi

# ------------------------------------------------------------------------------------------------- documents
find . -name '*.md' ! -path './build/*' ! -path './.cache/*' ! -name CHANGELOG.md | sed 's,^\./,,' | sort > "$work/documents"
while read -r document; do spans "$source/$document"; done < "$work/documents" > "$work/spans"
calls < "$work/spans" > "$work/calls"
[ "$(wc -l < "$work/calls")" -gt 60 ] || complain "expected more than 60 calls of effnet, found $(wc -l < "$work/calls")"
while IFS='	' read -r place line; do
    set -f
    # shellcheck disable=SC2086 # words
    understood "$place" $line
    set +f
done < "$work/calls"

# Options by themselves: of a command, or of the worker or a script.
sed -n 's/^\([^	]*\)	\(--*[a-z][a-z0-9-]*\).*/\1	\2/p' "$work/spans" | sort -u | while IFS='	' read -r place option; do
    grep -qxe "$option" "$work/options" || grep -rqFe "\"$option\"" src/jail bench tools ||
        echo "$place: no command has $option"
done > "$work/wrong"
# Variables: of an option, or read somewhere.
xargs grep -o 'EFFNET_[A-Z0-9_]*[A-Z0-9]' < "$work/documents" | sort -u | while IFS=: read -r document variable; do
    option=--$(printf '%s' "${variable#EFFNET_}" | tr 'A-Z_' 'a-z-')
    grep -qxe "$option" "$work/options" ||
        grep -rqE "\"$variable\"|[\${]$variable|'$variable'" src cli tools tests fuzz bench .ci ||
        echo "$document: nothing reads $variable"
done >> "$work/wrong"
# Links, and files named by their path.
while read -r document; do
    folder=$(dirname "$document")
    grep -o '](\([^)#]*\)' "$document" | sed 's/^](//' | grep -v -e '^[a-z]*:' -e '^$' | while read -r link; do
        [ -e "$folder/$link" ] || echo "$document: links to $link, which is not there"
    done
    grep -oE '\b(docs|tools|share|include/effnet|examples)/[A-Za-z0-9_/-]+\.(md|sh|py|c|h|tsv|json|txt)\b' "$document" |
        while read -r path; do
            [ -e "$path" ] || [ -e "$folder/$path" ] || [ -e "${path%%/*}/${path##*/}" ] || echo "$document: names $path, which is not there"
        done
done < "$work/documents" | sort -u >> "$work/wrong"
if [ -s "$work/wrong" ]; then complain "$(cat "$work/wrong")"; fi
exit $bad
