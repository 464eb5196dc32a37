# The catalogue, with what is at hand marked.
EFFNET_CACHE=c effnet pull --catalog data/catalog/small.tsv | sed 's/ *$//'
mkdir c && cp data/checkpoints/small_lukemelas.pth c/small.pth && cp data/checkpoints/small_torchvision.pth c/bare.pth
EFFNET_CACHE=c effnet pull --catalog data/catalog/small.tsv | sed 's/ *$//'
EFFNET_CACHE=c effnet pull --catalog data/catalog/small.tsv --json
effnet pull --json | tr '{' '\n' | grep -c '"path": null'
# What is there needs no network; the model file has the catalogue's rule, origin and licence.
EFFNET_CACHE=c effnet pull --catalog data/catalog/small.tsv --offline --json small
EFFNET_CACHE=c EFFNET_OFFLINE=1 EFFNET_CATALOG=data/catalog/small.tsv effnet pull efficientnet-b0.small
effnet info c/small.effnet | grep -E 'origin|licence|short='
ls c
EFFNET_CACHE=c effnet pull --catalog data/catalog/small.tsv --no-convert -q small
# The rest goes on after a failure: not the published file (status 3), nothing listening (1), no such name (2).
EFFNET_CACHE=c effnet pull --catalog data/catalog/small.tsv --offline bare small
EFFNET_CACHE=d effnet pull --catalog data/catalog/small.tsv small 2>&1 | sed 's/127.0.0.1:1: .*/127.0.0.1:1: .../'
ls d
EFFNET_CACHE=d effnet pull --catalog data/catalog/small.tsv smal
EFFNET_CACHE=d effnet pull lite9 nothing-like-it
EFFNET_CACHE=d effnet pull --mirror ftp://h/ lite0
effnet pull --catalog data/catalog/bad.tsv
effnet pull --catalog nothing.tsv
effnet pull --stall-timeout 0 lite0
# Names of the catalogue are models once their file is there; a built-in's name stays the untrained architecture.
mkdir e && cp c/small.effnet e/lite0.effnet && cp c/small.effnet e/tf_efficientnet_b0.aa_in1k.effnet
EFFNET_CACHE=e effnet info tf_efficientnet_b0.aa_in1k | sed -n 1p
EFFNET_CACHE=e effnet info lite0 | sed -n 1p
EFFNET_CACHE=e effnet predict lite0 photo.png
EFFNET_CACHE=d effnet info tf_efficientnet_b0.aa_in1k
