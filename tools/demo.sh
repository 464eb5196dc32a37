#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One command from a bare Debian 12 to a classifier trained on photographs: installs packages, builds, obtains the weights of a pretrained
# EfficientNet-Lite0 (the cache is $EFFNET_CACHE, or effnet/ in $XDG_CACHE_HOME or ~/.cache), makes a set of synthetic sarees, fine-tunes
# on it, evaluates, predicts, and says where the report is. Minutes on two cores; a second run needs no network.
set -u
me=demo
root=$(cd "$(dirname "$0")/.." && pwd) || exit 1
. "$root/tools/lib.sh"
cache=$(cache_dir)

sh "$root/tools/setup.sh" build || exit 1
build release effnet-cli
sh "$root/tools/fetch_weights.sh" lite0 > /dev/null || exit 1

# What an earlier demonstration left is made anew: data and result are then of this program.
demo=$cache/demo
rm -rf "$demo"
mkdir -p "$demo" && cd "$demo" || die "cannot write in $cache"
effnet=$root/build/effnet
say "in $demo: a set of synthetic sarees"
"$effnet" data synth sarees --train 40 --val 20 --size 224 || die "the set could not be made"
say "fine-tuning the pretrained network on it"
"$effnet" train sarees --from "$cache/lite0.pth" --epochs 6 --out run || die "the training failed"
say "the model on the images it was not trained on"
"$effnet" eval run/model.effnet sarees/val || die "the evaluation failed"
say "two images"
set -- sarees/val/*/0003.jpg
"$effnet" predict run/model.effnet "$1" "$2" --top 3 || die "the prediction failed"
say "done. Look at the report: $demo/run/report.html"
say "yours next: build/effnet train FOLDER_OF_PHOTOGRAPHS"
