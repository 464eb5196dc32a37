#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Obtains ONNX Runtime's shared library: `sh tools/fetch_onnxruntime.sh` gets the PyPI package onnxruntime, without what its
# Python part needs, into build/onnxruntime/ and prints the library's path, which is what EFFNET_ORT takes.
set -u
me=fetch_onnxruntime
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"

version=1.32.0
folder=$root/build/onnxruntime
library() { find "$folder/$version/onnxruntime/capi" -name 'libonnxruntime.so.*' 2> /dev/null | head -n 1; }

if [ -z "$(library)" ]; then
    sh "$root/tools/setup.sh" fetch || exit 1
    rm -rf "$folder"
    say "downloading onnxruntime $version with pip"
    show python3 -m pip install --disable-pip-version-check --no-input --retries 2 --quiet --no-deps --only-binary=:all: \
        --target "$folder/$version" "onnxruntime==$version" ||
        die "cannot download onnxruntime $version from PyPI ($said): this needs a network"
    [ -n "$(library)" ] || die "the package onnxruntime $version holds no libonnxruntime.so.*"
fi
library
