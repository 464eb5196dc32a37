# A checkpoint to a model file and on; each output predicts the same.
synth model small.safetensors
printf '%s\n' a b c d e f g h i j >names.txt
effnet convert small.safetensors small.effnet --classes names.txt --origin 'made by formula' --licence Apache-2.0
effnet info small.effnet | tail -7 | grep -v SHA
effnet convert small.effnet again.effnet --json
effnet convert small.effnet back.safetensors
cmp small.effnet again.effnet
synth png 60 80 1 a.png
effnet predict small.effnet a.png --json --logits >1; effnet predict again.effnet a.png --json --logits >2; cmp 1 2
effnet convert small.effnet small.json
effnet info small.json | sed -n 1p
ls
