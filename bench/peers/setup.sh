#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make the environments of bench/peers in the folder DIR: DIR/run with the runtimes, DIR/convert with LiteRT's converter.
# All at once where that works, else package by package: one that cannot be had is named at the end, and compare.py does
# without it.
#
#     sh bench/peers/setup.sh DIR [PYTHON]
set -eu
if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: sh bench/peers/setup.sh DIR [PYTHON]" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
dir=$(cd "$1" && pwd)
python=${2:-python3}
missing=

install() { env=$1; shift; "$dir/$env/bin/python" -m pip install --quiet --disable-pip-version-check "$@" </dev/null; }

# fill NAME FILE [OPTION]: the environment NAME has what FILE lists; what cannot be installed is added to $missing
fill() {
    [ -x "$dir/$1/bin/python" ] || "$python" -m venv "$dir/$1"
    echo "setup: $1: all of $2"
    install "$1" ${3:+"$3"} -r "$here/$2" && return
    while read -r package; do
        case $package in '' | '#'*) continue ;; esac
        echo "setup: $1: $package"
        install "$1" ${3:+"$3"} -- "$package" || missing="$missing $package"
    done <"$here/$2"
}

fill run requirements.txt
# the converter sees the runtimes' environment (torch above all) and puts its own packages beside it
"$python" -m venv "$dir/convert"
echo "$dir/run/lib"/python*/site-packages >"$(echo "$dir/convert/lib"/python*/site-packages)/run.pth"
fill convert requirements-convert.txt --no-deps
[ -z "$missing" ] || echo "setup: left out, could not be installed:$missing" >&2
echo "setup: $dir/run/bin/python bench/peers/compare.py --env $dir"
