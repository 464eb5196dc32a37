# Averages: of copies the file itself, of others in any order the same bytes.
synth model small.safetensors
printf '%s\n' a b c d e f g h i j >names.txt
effnet convert small.safetensors a.effnet --classes names.txt --preprocess squash=64,crop=64
effnet convert a.effnet b.effnet --classes 10 --seed 3
effnet info b.effnet | grep trained
effnet convert a.effnet c.effnet --classes 10 --seed 4 --json
effnet convert --average a.effnet a.effnet a.effnet -o aaa.effnet
cmp a.effnet aaa.effnet
effnet convert --average a.effnet b.effnet c.effnet -o abc.effnet --json
effnet convert --average c.effnet a.effnet b.effnet -o cab.effnet --quiet
cmp abc.effnet cab.effnet; cmp -s a.effnet abc.effnet || echo another
effnet convert --average b.effnet c.effnet --decay 0.9 -o bc.effnet
effnet convert --average c.effnet b.effnet --decay 0.9 -o cb.effnet --json | grep -o '"averaged".*'
cmp -s bc.effnet cb.effnet || echo 'the order counts'
# What cannot be averaged.
effnet convert a.effnet seven.effnet --classes 7 --quiet
effnet convert a.effnet other.effnet --preprocess filter=bilinear
effnet convert --average a.effnet seven.effnet -o no.effnet
effnet convert --average a.effnet b.effnet other.effnet -o no.effnet
effnet convert --average a.effnet data/checkpoints/bad/st_nan_inf_negative_var.safetensors -o no.effnet
effnet convert --average a.effnet lite0 -o no.effnet
effnet convert --average a.effnet -o no.effnet
effnet convert --average a.effnet b.effnet
effnet convert --average a.effnet b.effnet -o b.effnet
effnet convert a.effnet no.effnet --decay 0.5
effnet convert a.effnet b.effnet c.effnet
effnet convert a.effnet -o
ls no.effnet
# A body: features in place of logits.
effnet convert a.effnet body.effnet --head none
effnet convert a.effnet -o body.safetensors --head none --json | grep -o '"parity.*'
effnet info body.effnet | sed -n '1p;/^  features/p;/^  classes/p;/^  file/p'
effnet info body.effnet --json | grep -o '"classes": 0, "features": [0-9]*'
synth png 60 80 1 one.png
effnet predict body.effnet one.png
effnet predict body.effnet one.png --json | cut -c1-34
effnet predict body.effnet one.png --json | tr ',' '\n' | wc -l
effnet predict body.effnet - --json <one.png | cut -c1-30
effnet eval body.effnet .
effnet bench body.effnet --train
effnet info body.effnet --train
effnet convert body.effnet named.effnet --classes names.txt
effnet convert a.effnet no.effnet --head none --classes 3
effnet convert a.effnet no.effnet --head some
effnet convert lite0 no.effnet --classes 3
effnet convert a.effnet no.effnet --classes 0
effnet convert body.effnet again.effnet --classes 10 --seed 3
cmp b.effnet again.effnet
# A body to start training from.
mkdir -p set/x set/y; for i in 1 2 3 4 5 6; do synth png 40 40 $i set/x/$i.png; synth png 40 40 1$i set/y/$i.png; done
effnet train set --from body.effnet --resolution 64 --epochs 1 --out run --quiet --json | grep -o '"recipe": "[a-z]*"'
effnet predict run/model.effnet one.png --json | grep -o '"label": "[xy]"' | sort
# What files are, and what is assumed to read them.
effnet info data/checkpoints/small_lukemelas.pth | sed -n '/^  file/,/^$/p'
effnet info data/checkpoints/small_lukemelas.pth --json | grep -o '"file": .*'
effnet info data/checkpoints/small_timm_tf_f16.safetensors --family timm_tf | sed -n '/^  file/,/^$/p'
effnet info data/checkpoints/small_timm_tf_f16.safetensors --family timm_tf --json | grep -o '"tensors": [0-9].*'
effnet info data/checkpoints/tensorflow/sharded/model.ckpt | sed -n '/^  file/p;/^  SHA/p'
cat data/checkpoints/tensorflow/sharded/model.ckpt.index data/checkpoints/tensorflow/sharded/model.ckpt.data-* | sha256sum
effnet info data/checkpoints/tensorflow/sharded --json | grep -o '"file": {"bytes": [0-9]*, "sha256": "[0-9a-f]*", "files": [0-9]*'
effnet info a.effnet | sed -n '/^  file/p;/^  assumed/p'
test "$(effnet info a.effnet | sed -n 's/^  SHA-256 *//p')" = "$(sha256sum a.effnet | cut -c1-64)" && echo the same
effnet convert lite0 lite0.json --quiet; effnet info lite0.json | grep '^  file'
