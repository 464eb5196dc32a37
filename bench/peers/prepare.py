#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One network in every runtime's format, from the same weights: `prepare.py KIND MODEL FOLDER`, called by compare.py.

Weights are random from a fixed seed; batch norm's statistics are those of some of the pictures that are measured, at the network's own
size and with nothing dropped, so that activations stay near unit size. Networks with symmetric padding, which every runtime does within
its convolutions.
"""
import os
import sys

# name: library, its name there, side of the input
MODELS = {
    "b0": ("torchvision", "efficientnet_b0", 224),
    "b1": ("torchvision", "efficientnet_b1", 240),
    "b3": ("torchvision", "efficientnet_b3", 300),
    "b4": ("torchvision", "efficientnet_b4", 380),
    "b7": ("torchvision", "efficientnet_b7", 600),
    "lite0": ("timm", "efficientnet_lite0", 224),
    "resnet50": ("torchvision", "resnet50", 224),
    "mobilenetv2": ("torchvision", "mobilenet_v2", 224),
    "v2-s": ("torchvision", "efficientnet_v2_s", 384),
}
SEED = 0
CALIBRATION_PICTURES = 4

WEIGHTS, ONNX, OPENVINO, NCNN, LITERT = "weights.safetensors", "model.onnx", "model.xml", "model.ncnn.param", "model.tflite"


def build(model):
    """The network without weights, in evaluation mode."""
    library, name, _ = MODELS[model]
    if library == "timm":
        import timm

        return timm.create_model(name, pretrained=False).eval()
    import torchvision

    return getattr(torchvision.models, name)(weights=None).eval()


def load(model, folder):
    from safetensors.torch import load_file

    net = build(model)
    net.load_state_dict(load_file(os.path.join(folder, WEIGHTS)))
    return net.eval()


def sample(model, n=1):
    import torch

    torch.manual_seed(SEED)
    return torch.randn(n, 3, MODELS[model][2], MODELS[model][2])


def made_picture(height, width, number):
    """Smooth patches of three sizes and some grain, about unit deviation."""
    import numpy as np

    r = np.random.default_rng(1000 + number)
    x = 0.2 * r.standard_normal((height, width, 3))
    for cells in (4, 12, 40):
        coarse = r.standard_normal((cells + 1, cells + 1, 3))
        v, u = np.linspace(0, cells - 1e-6, height), np.linspace(0, cells - 1e-6, width)
        i, j = v.astype(int), u.astype(int)
        dv, du = (v - i)[:, None, None], (u - j)[None, :, None]
        top = coarse[i][:, j] * (1 - du) + coarse[i][:, j + 1] * du
        low = coarse[i + 1][:, j] * (1 - du) + coarse[i + 1][:, j + 1] * du
        x += 0.8 * (top * (1 - dv) + low * dv)
    return x.astype(np.float32)


def make_weights(model, folder, path):
    import numpy as np
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(SEED)
    net = build(model)
    for m in net.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            m.momentum = 1.0
            m.train()
    side = MODELS[model][2]
    pictures = np.stack([made_picture(side, side, i) for i in range(CALIBRATION_PICTURES)])
    with torch.no_grad():
        net(torch.from_numpy(pictures.transpose(0, 3, 1, 2).copy()))
    save_file(net.state_dict(), path)


def make_onnx(model, folder, path):
    import torch

    batch = torch.export.Dim("batch", min=1, max=256)
    torch.onnx.export(load(model, folder), (sample(model, 2),), path, input_names=["x"], output_names=["y"], opset_version=18,
                      dynamo=True, external_data=False, dynamic_shapes=({0: batch},), verbose=False)


def make_openvino(model, folder, path):
    import openvino

    openvino.save_model(openvino.Core().read_model(os.path.join(folder, ONNX)), path, compress_to_fp16=False)


def make_ncnn(model, folder, path):
    import pnnx

    net, x = load(model, folder), sample(model)
    os.chdir(folder)  # pnnx writes beside its argument
    pnnx.export(net, "model.pt", x, fp16=False)


def make_litert(model, folder, path):
    import litert_torch

    net = litert_torch.to_channel_last_io(load(model, folder), args=[0])
    x = sample(model).permute(0, 2, 3, 1).contiguous()
    litert_torch.convert(net.eval(), (x,)).export(path)


# kind: file, how it is made, of what it is made, which environment has the means
KINDS = {
    "weights": (WEIGHTS, make_weights, None, "run"),
    "onnx": (ONNX, make_onnx, "weights", "run"),
    "openvino": (OPENVINO, make_openvino, "onnx", "run"),
    "ncnn": (NCNN, make_ncnn, "weights", "run"),
    "litert": (LITERT, make_litert, "weights", "convert"),
}


def main():
    kind, model, folder = sys.argv[1:]
    folder = os.path.abspath(folder)
    name, make, _, _ = KINDS[kind]
    os.makedirs(folder, exist_ok=True)
    make(model, folder, os.path.join(folder, name))
    if not os.path.exists(os.path.join(folder, name)):
        sys.exit("%s was not written" % name)


if __name__ == "__main__":
    main()
