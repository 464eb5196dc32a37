# What can be wrong with a model: one line, the status of the contract.
synth model small.effnet
: >empty.effnet
mkdir dir.effnet
head -c 5000 small.effnet >cut.effnet
echo 'not a model' >text.pth
cp small.effnet suffix.pth
effnet info missing.effnet
effnet info missing/b0
effnet info dir.effnet
effnet info empty.effnet
effnet info cut.effnet
effnet info text.pth
effnet info suffix.pth | sed -n 1p
effnet info /dev/null
effnet info efficentnet-b0
effnet info b9
effnet info nothing-like-it
effnet info b0@classes=0
effnet info b0@width=-1
effnet info b0@frobnicate=1
effnet info b0 --resolution 1 | sed -n 1p
# Images: each is one line, and the others go on.
synth png 60 80 1 good.png
synth jpeg 60 80 1 good.jpg
: >empty.png
mkdir dir.png nothing
head -c 2000 good.png >cut.png
head -c 900 good.jpg >cut.jpg
cp good.png suffix.jpg
cp good.jpg suffix.png
echo 'not an image' >text.jpg
synth huge 100000 100000 huge.png
mkfifo pipe.png
effnet predict small.effnet -k 1 missing.png empty.png dir.png cut.png text.jpg huge.png pipe.png /dev/null nothing good.png
effnet predict small.effnet -k 1 cut.jpg
effnet predict small.effnet -k 1 suffix.jpg suffix.png
effnet predict small.effnet -k 1 --json missing.png huge.png | cut -c1-60
effnet predict small.effnet -k 1 nothing
effnet predict small.effnet -k 1 - </dev/null
effnet predict missing.effnet good.png
effnet predict b0 good.png
effnet predict small.effnet good.png --preprocess crop=0
effnet predict small.effnet good.png --preprocess nonsense=1
effnet predict small.effnet good.png --classes missing.txt
effnet predict small.effnet good.png --classes text.jpg
# Evaluation.
effnet eval small.effnet missing.tsv
effnet eval small.effnet nothing
effnet eval small.effnet text.jpg
printf 'good.png\t10\n' >high.tsv; effnet eval small.effnet high.tsv
printf 'missing.png\t1\n' >none.tsv; effnet eval small.effnet none.tsv
effnet eval b0 nothing
# Conversion: what cannot be written, and what is no model.
effnet convert small.effnet nowhere/out.effnet
effnet convert small.effnet dir.effnet
effnet convert small.effnet out.tflite
effnet convert small.effnet out.bin
effnet convert small.effnet small.effnet
effnet convert b0 out.effnet
effnet convert text.pth out.effnet
effnet convert data/checkpoints/bad/st_nan_inf_negative_var.safetensors out.effnet
effnet convert data/checkpoints/bad/st_missing_tensors.safetensors out.effnet
effnet convert small.effnet out.effnet --classes missing.txt
ls out.effnet
