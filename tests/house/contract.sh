# SPDX-License-Identifier: Apache-2.0
# The second half of options.sh, which sources it: a contract for scripts is a document with a table of commands, their options and the
# keys of their JSON. Commands and options exist or are refused as "not in this version"; what the sentences above the table say
# of every command holds for every command; keys are in the output of the commands that take seconds.
# shellcheck shell=sh disable=SC2154

# later WORD...: the program knows it as something to come.
later() { effnet "$@" 2>&1 | grep -q 'is not in this version'; }

# ------------------------------------------------------------------------------------- above the table
sed '/^| *command/,$d' "$contract" > "$work/rules.md"
sed -n '/^| `effnet/p' "$contract" | sed 's/\\|/\o001/g' > "$work/rows"
[ "$(wc -l < "$work/rows")" -gt 10 ] || complain "expected more than 10 rows of commands, found $(wc -l < "$work/rows")"
for option in $(grep '^[^|]*Every command:' "$work/rules.md" | sed 's/.*Every command://; s/(`ref`[^)]*)//; s/\. .*//' |
    grep -o -e '`--[a-z-]*' | tr -d '`'); do
    asked="${asked:-} $option"
    while read -r words; do
        [ "$words" = data ] || grep -qxF "$words	$option" "$work/table" || complain "effnet $words has no $option"
    done < "$work/commands"
done
[ -n "${asked:-}" ] || complain "no options of every command found in the contract"
for level in $(sed -n 's/.*`--cpu LEVEL` (\([^;)]*\).*/\1/p' "$work/rules.md" | tr -d '`,'); do
    understood "--cpu" info b0 --cpu "$level"
done
# Names of networks, all that stand there whole.
for name in $(grep '^An existing path wins' -A 2 "$work/rules.md" | grep -o '`[a-z][a-z0-9_=@,.-]*`' | tr -d '`'); do
    case $name in
    *mobilenet* | *mnasnet* | efficientnet-* | b0 | lite0 | *@*)
        named=$((${named:-0} + 1))
        effnet info "$name" > "$work/out" 2>&1 || complain "effnet info $name: $(cat "$work/out")"
        ;;
    esac
done
[ "${named:-0}" -ge 8 ] || complain "expected 8 names of networks or more, found ${named:-0}"

# ----------------------------------------------------------------------------------------- the table
while IFS= read -r row; do
    cell=$(printf '%s\n' "$row" | cut -d '|' -f 2 | tr '\001' '/')
    printf '%s\n' "$cell" | grep -o '`[^`]*`' | tr -d '`' | sed 's/, *`*bench /\neffnet bench /' > "$work/pieces"
    first=
    : > "$work/of"
    while read -r piece; do
        # the words in front that are small letters are the command; a second one of a row may leave out the name
        words=$(printf '%s\n' "$piece" | sed 's/^effnet //' | grep -o '^[a-z]*\( [a-z]*\)\{0,1\}' | sed 's/ *$//')
        if [ -n "$words" ]; then
            if ! grep -qxF "$words" "$work/commands"; then
                # shellcheck disable=SC2086 # words
                later $words || complain "the contract has 'effnet $words', the program neither has nor announces it"
                continue
            fi
            printf '%s\n' "$words" >> "$work/of"
            first=$words
        fi
        [ -n "$first" ] || continue
        for option in $(printf '%s\n' "$piece" | grep -oE '(^|[[ ])--[a-z][a-z0-9-]*' | tr -d '[ '); do
            found=
            while read -r words; do
                # shellcheck disable=SC2086 # words
                if grep -qxF "$words	$option" "$work/table" || later $words "$option"; then found=yes; fi
            done < "$work/of"
            [ -n "$found" ] || complain "the contract has $option of 'effnet $(tr '\n' ',' < "$work/of")', the program has not"
        done
        # words to choose from: --names one|another
        for choice in $(printf '%s\n' "$piece" | grep -oE -e '--[a-z-]+ [a-z0-9_]+(/[a-z0-9_]+)+' | tr ' ' '='); do
            option=${choice%%=*}
            while read -r words; do
                grep -qxF "$words	$option" "$work/table" || continue
                for word in $(printf '%s' "${choice#*=}" | tr / ' '); do
                    # shellcheck disable=SC2086 # words
                    if ! effnet $words "$option=$word" --no-such-option 2>&1 | grep -q "'--no-such-option'" &&
                        ! later $words "$option=$word"; then
                        complain "the contract has $option $word of 'effnet $words', the program refuses it"
                    fi
                done
            done < "$work/of"
        done
    done < "$work/pieces"
done < "$work/rows"

# -------------------------------------------------------------------------------------------- the keys
# keys COMMAND ARGUMENT...: what the command prints with --json is one object a line, nothing else, and has the keys of the row.
keys()
{
    wanted=$(grep "^| \`effnet $1 " "$work/rows" | head -n 1 | cut -d '|' -f 4 | sed 's/`[^`]*"error"[^`]*`//' |
        grep -o '"[a-z0-9_]*"' | sort -u)
    [ -n "$wanted" ] || complain "effnet $1: the contract has no keys"
    (cd "$work/try" && effnet "$@" --json --quiet) > "$work/json" 2> "$work/err" || complain "effnet $* --json: $(cat "$work/err")"
    for key in $wanted; do
        grep -qF "$key" "$work/json" || complain "effnet $* --json: expected the key $key, found" "$(cut -c 1-200 "$work/json" | head -n 3)"
    done
}
mkdir "$work/try"
(cd "$work/try" && "$synth" model small.effnet && "$synth" png 60 80 1 photo.png) || exit 1
(cd "$work/try" && effnet data synth set --classes 2 --train 4 --val 2 --size 48 --quiet > /dev/null) || exit 1
keys info small.effnet
keys scale --phi 1
keys predict small.effnet photo.png --logits
keys convert small.effnet small.onnx
keys bench b0@width=0.25,depth=0.25,resolution=32 --min-time 0
keys train set --model b0@width=0.25,depth=0.25,resolution=32 --epochs 1 --out run
keys eval run/model.effnet set/val

# Exit codes that cost nothing: done, usage, bad data.
for case in '0 info b0' '2 info b00' '2 no-such-command' '2 info b0 --no-such-option' '2 predict b0 x --top 0' '3 info missing.effnet'; do
    # shellcheck disable=SC2086 # words
    effnet ${case#* } > "$work/out" 2> "$work/err"
    status=$?
    [ $status -eq "${case%% *}" ] || complain "effnet ${case#* }: expected status ${case%% *}, found $status"
done
