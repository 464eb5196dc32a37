#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Obtains four photographs that may be used freely, out of the scikit-image 0.24.0 wheel on PyPI, into the cache's
# photos/; their paths are printed. The licences are those that scikit-image states for its data:
#   chelsea.png    a cat           CC0, Stefan van der Walt
#   coffee.png     a cup           CC0, Rachel Michetti
#   astronaut.png  Eileen Collins  public domain, NASA
#   rocket.jpg     Falcon 9        public domain, SpaceX
set -u
me=fetch_photos
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"

cache=$(cache_dir)
wheel=scikit_image-0.24.0-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl
tmp=
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

photo()
{
    if ! has_sha256 "$cache/photos/$1" "$2"; then
        if [ -z "$tmp" ]; then
            tmp=$(mktemp -d) || die "cannot create a temporary folder"
            fetch_wheel "$tmp" scikit-image 0.24.0
        fi
        unpack "$tmp/$wheel" "skimage/data/$1" "$2" "$cache/photos/$1"
    fi
    printf '%s\n' "$cache/photos/$1"
}

photo chelsea.png 596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb
photo coffee.png cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7
photo astronaut.png 88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5
photo rocket.jpg c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c
