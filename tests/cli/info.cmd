# A built-in, for people and for scripts, beside the paper's figures.
effnet info b0
effnet info b0 --json
effnet info efficientnet-b7 | tail -2
effnet info lite0
effnet info b0@width=0.35,depth=0.5,classes=10,resolution=64
effnet info b0 --resolution 300x200 --classes 37 -v
effnet info resnet50
# A model file, and a file of tensors that is no model.
synth model small.effnet
effnet info small.effnet | grep -v SHA
effnet info small.effnet --json | cut -c1-100
effnet info small.effnet --json | grep -o '"tensors": .*"dtype": "F32", "shape": .16, 3, 3, 3..' | cut -c1-20
# What training leaves in a model file.
synth trained trained.effnet
effnet info trained.effnet | tail -6 | grep -v SHA
effnet info trained.effnet --json | grep -o '"temperature": .*"trained": {[^}]*}'
synth tensor picture.safetensors
effnet info picture.safetensors
effnet info picture.safetensors --json
effnet info data/checkpoints/bad/st_nan_inf_negative_var.safetensors
# A table.
effnet convert lite0 lite0.json
effnet info lite0.json | sed -n 1p

# TensorFlow: the index, its name without suffix, the folder; damage in the data
effnet info data/checkpoints/tensorflow/good
effnet info data/checkpoints/tensorflow/good/model.ckpt --json | cut -c 1-160
effnet info data/checkpoints/tensorflow/bad_tensor_crc
effnet info data/checkpoints/tensorflow/missing_data/model.ckpt.index
effnet info data/checkpoints/tensorflow
