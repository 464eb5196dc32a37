#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The completions of the shells that are here (bash always; zsh and fish), asked as a person's Tab asks, and the man pages
# by mandoc where it is. CI has them all: with CI=true a missing one is a failure. Usage: completions.sh BUILD_DIR PROGRAM
# shellcheck disable=SC2016,SC2317 # code for other shells; functions called as by_$shell
set -u
build=$(cd "$1" && pwd) program=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
touch photo.jpg 'two words.png' bench.txt
mkdir folder
bad=0
complain() { printf '%s\n' "$*"; bad=1; }

have()
{
    command -v "$1" > /dev/null && return 0
    [ "${CI:-}" != true ] || complain "$1: not here"
    return 1
}

# by_SHELL LINE: the candidates for the end of LINE, one a line.
by_bash()
{
    bash --norc -c '. "$1/completions/effnet" || exit 1
        COMP_LINE=$2
        # as readline cuts a line: at blanks, and around = @ :
        read -r -a parts <<< "$(sed "s/[=@:]/ & /g" <<< "$2")"
        COMP_WORDS=("${parts[@]}")
        [[ $2 != *" " && $2 != *[=@:] ]] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _effnet
        [ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\n" "${COMPREPLY[@]}"' bash "$build" "$1"
}

by_fish()
{
    HOME=$work fish --no-config -c 'source $argv[1]/completions/effnet.fish; complete -C $argv[2]' "$build" "$1" |
        cut -f1 | sed 's/^--[a-z-]*=//'
}

# zsh completes only where someone types: on a terminal of its own, where compadd tells what it was given. What is typed
# is typed at the prompt, not before, and echoed; so the last word is spelt in two ways.
cat > .zshrc << 'END'
fpath=($COMPLETIONS $fpath)
autoload -U compinit
compinit -u -C -d $HOME/dump
compadd() { local -a m; builtin compadd -O m "$@"; (( $#m )) && print -rl -- "<<"${^m}">>"; builtin compadd "$@" }
PS1='AT THE PROMPT>'
END
cat > typist.zsh << 'END'
zmodload zsh/zpty
local out
zpty z env TERM=dumb ZDOTDIR=$HOME COMPLETIONS=$1/completions zsh -d -i
zpty -r -m z out '*AT THE PROMPT>*'
zpty -w -n z "$2"$'\t'
zpty -w z $'\x15print DO""NE'
zpty -r -m z out '*DONE*'
print -r -- $out
END
by_zsh() { HOME=$work zsh -f typist.zsh "$build" "$1" | tr -d '\r' | grep -o '<<[^<>]*>>' | sed 's/^<<//; s/>>$//'; }

# expect SHELL LINE WANT...: every WANT is offered; one with ! before it is not.
expect()
{
    local shell=$1 line=$2 got want
    shift 2
    got=$(by_"$shell" "$line")
    for want; do
        if [ "${want#!}" != "$want" ]; then
            ! grep -qxF -- "${want#!}" <<< "$got" || complain "$shell: '$line' offers ${want#!}"
        else
            grep -qxF -- "$want" <<< "$got" || complain "$shell: '$line' does not offer $want, but:" "$got"
        fi
    done
}

for shell in bash fish zsh; do
    have "$shell" || continue
    commands=$("$program" --help | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
    [ -n "$commands" ] || complain "no commands in the program's help"
    # shellcheck disable=SC2086 # words
    expect "$shell" 'effnet ' $commands help '!bench.txt'
    expect "$shell" 'effnet b' bench '!info'
    expect "$shell" 'effnet help pre' predict
    expect "$shell" 'effnet predict --to' --top '!--threads'
    expect "$shell" 'effnet bench --mach' --machine
    expect "$shell" 'effnet info --no' --no-progress '!--progress'
    expect "$shell" 'effnet bench --cpu avx' avx2 avx512 '!ref' '!photo.jpg'
    expect "$shell" 'effnet bench --cpu=avx' avx2 avx512
    expect "$shell" 'effnet predict --family ti' timm timm_tf '!torchvision'
    expect "$shell" 'effnet info resn' resnet50 '!efficientnet-b0'
    expect "$shell" 'effnet info b' b0 bench.txt
    expect "$shell" 'effnet scale --base lite' lite4
    expect "$shell" 'effnet predict b0 p' photo.jpg
    expect "$shell" 'effnet predict -k 3 lite' lite0
    expect "$shell" 'effnet predict -k ' '!lite0' '!photo.jpg'
    expect "$shell" 'effnet convert --classes p' photo.jpg
    expect "$shell" 'effnet bench b0 res' '!resnet50'
    expect "$shell" 'effnet data ' synth '!bench.txt'
    expect "$shell" 'effnet data synth --tr' --train '!--threads'
    expect "$shell" 'effnet data synth --size 64 ph' photo.jpg '!synth'
    # every option of every help text, and no other
    [ "$shell" != zsh ] || continue # seconds each
    for command in $commands 'data synth'; do
        # shellcheck disable=SC2086 # one word or two
        options=$("$program" $command --help | sed -n 's/^  ....--\(\[no-\]\)*\([a-z0-9-]*\).*/--\2/p' | sort)
        # --no-NAME where there is a --NAME is the other half of one option
        offered=$(by_"$shell" "effnet $command --" | grep '^--' | sort -u |
            awk '{ has[$0] = 1 } END { for (o in has) if (o !~ /^--no-/ || !(("--" substr(o, 6)) in has)) print o }' | sort)
        # shellcheck disable=SC2086 # lists of words
        [ "$options" = "$offered" ] || complain "$shell: $command has" $options "and offers" $offered
    done
done

for page in "$build"/man/*.1; do
    name=$(basename "$page" .1)
    [ "$name" = effnet ] || grep -q "Xr $name 1" "$build/man/effnet.1" || complain "effnet.1 does not mention $name"
    if have mandoc; then
        said=$(cd "$build/man" && mandoc -T lint "$(basename "$page")") || complain "$said"
        text=$(mandoc -T ascii "$page" | sed 's/.\x08//g')
    elif command -v man > /dev/null; then
        text=$(MANWIDTH=80 man -l "$page")
    else
        continue
    fi
    [ "$name" = effnet ] && continue
    command=${name#effnet-}
    # shellcheck disable=SC2086 # a sub-command's page is effnet-data-synth.1
    for option in $("$program" ${command//-/ } --help | sed -n 's/^  ....\(--[a-z0-9]*\).*/\1/p'); do
        grep -q -- "$option" <<< "$text" || complain "$name.1 does not explain $option"
    done
done
exit $bad
