# Leaving effnet: ONNX, other libraries' names, labels; what is refused leaves nothing behind.
synth model small.safetensors
printf '%s\n' a b c d e f g h i j >names.txt
effnet convert small.safetensors small.effnet --classes names.txt --preprocess squash=64,crop=64
effnet convert small.effnet small.onnx --ort none --labels | sed 's/[0-9][.][0-9][0-9]*\(e[-+]*[0-9]*\)*/X/g'
effnet convert small.effnet bytes.onnx --ort none --with-preprocess --json | sed 's/[0-9][.][0-9][0-9]*\(e[-+]*[0-9]*\)*/X/g'
synth png 60 80 1 a.png; synth png 90 64 2 b.png; mkdir photos; mv a.png b.png photos
effnet convert small.effnet own.onnx --ort none --check photos | sed 's/[0-9][.][0-9][0-9]*\(e[-+]*[0-9]*\)*/X/g'
cmp small.onnx own.onnx
effnet info small.onnx | grep -v SHA | head -n 6
effnet info bytes.onnx --json | grep -o '"note": "[^"]*"'
effnet convert small.onnx again.effnet
ls; cat small.labels.txt | tr '\n' ' '; sed -n 1,4p small.id2label.json
effnet convert small.effnet timm.safetensors --names timm
effnet convert timm.safetensors back.effnet --family timm_tf --preprocess squash=64,crop=64 --classes names.txt
effnet predict small.effnet photos/a.png --json --logits >1; effnet predict back.effnet photos/a.png --json --logits >2; cmp 1 2
# a body: its features
effnet convert small.effnet body.effnet --head none --quiet
effnet convert body.effnet body.onnx --ort none | sed 's/[0-9][.][0-9][0-9]*\(e[-+]*[0-9]*\)*/X/g'
effnet convert body.effnet body.onnx --ort none --json | sed 's/[0-9][.][0-9][0-9]*\(e[-+]*[0-9]*\)*/X/g'
effnet convert body.effnet body.safetensors --names timm
effnet convert body.safetensors back.effnet --family timm_tf --preprocess squash=64,crop=64
effnet predict body.effnet photos/a.png --json >1; effnet predict back.effnet photos/a.png --json >2; cmp 1 2
effnet convert body.effnet body2.onnx --labels
rm body.onnx body.effnet body.safetensors
# refused: a difference beyond the bar, another library's rules
(effnet convert small.effnet bar.onnx --ort none --bar 0 --cpu ref; echo $?) 2>&1 | sed 's/by [0-9.e-]*,/by X,/'
effnet convert small.effnet tv.safetensors --names torchvision
# wrong use, bad inputs
effnet convert small.effnet new.onnx --ort missing.so
effnet convert small.effnet new.onnx --ort none --check missing.jpg
effnet convert small.effnet new.onnx --ort none --check names.txt
mkdir none; effnet convert small.effnet new.onnx --ort none --check none
effnet convert small.effnet new.onnx --names timm
effnet convert small.effnet new.safetensors --with-preprocess
effnet convert small.effnet new.json --labels
effnet convert small.safetensors new.onnx --ort none --labels
effnet convert small.effnet new.onnx --bar 2
effnet convert b0 new.onnx
effnet convert small.effnet nowhere/new.onnx --ort none
ls
