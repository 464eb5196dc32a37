#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Has the libraries themselves read what effnet exports: `python3 tools/check_export.py [PROGRAM] [NETWORK...]` (default:
build/effnet, the networks below).

A network of timm or torchvision gets random weights and batch-norm statistics of its own, is saved, converted to a model file and
exported again. The exported weights must load with strict=True and be equal to the bit; the exported ONNX, with and without
preprocessing, must pass onnx.checker in full and answer in ONNX Runtime (and OpenVINO, where it is installed) as the library
does in float64, within max(1e-3 of the logits' spread, ten times what float32 costs the library itself); so must effnet. Status 77 where a
Python package is missing."""
import json
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
    import timm
    import torch
    import torchvision
    from PIL import Image
    from safetensors.torch import load_file, save_file
except ImportError as e:
    print(f"check_export: the Python package {e.name} is not installed", file=sys.stderr)
    sys.exit(77)
try:
    import openvino
except ImportError:
    openvino = None

# name in the library: library, family (what names alone cannot tell), names to export in
NETWORKS = {
    "tf_efficientnet_b0": ("timm", "timm_tf"), "efficientnet_b0": ("timm", "timm"), "tf_efficientnet_lite0": ("timm", "timm_tf"),
    "resnet50": ("torchvision", "torchvision"), "mobilenetv2_100": ("timm", "timm"), "tf_efficientnetv2_s": ("timm", "timm_tf"),
    "tv:efficientnet_b0": ("torchvision", "torchvision"), "tv:mobilenet_v2": ("torchvision", "torchvision"),
    "tv:efficientnet_v2_s": ("torchvision", "torchvision"),
}
IMAGES = 4


def create(name, library):
    name = name.removeprefix("tv:")
    return timm.create_model(name, pretrained=False) if library == "timm" else torchvision.models.get_model(name, weights=None)


def randomise(model, size):
    """Gamma and beta of its own for every batch norm, and the statistics that the weights lead to."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for m in norms:
        torch.nn.init.uniform_(m.weight, 0.7, 1.3)
        torch.nn.init.normal_(m.bias, 0, 0.2)
        m.momentum = 1.0
    model.train()
    with torch.no_grad():
        smooth = torch.nn.functional.interpolate(torch.randn(8, 3, 8, 8), size=(size, size), mode="bicubic")
        model(smooth + 0.2 * torch.randn(8, 3, size, size))
    model.eval()


def pictures(folder, size):
    grid = np.arange(size)
    paths, arrays = [], []
    for k in range(IMAGES):
        x, y, c = grid[None, :, None], grid[:, None, None], np.arange(3)[None, None, :]
        a = np.sin((3 * x + 2 * y) / (17.0 + 9 * k) + c) + np.cos(x * y / (900.0 + 500 * k) - 2 * c)
        u8 = np.clip(128 + 60 * a, 0, 255).astype(np.uint8)
        paths.append(os.path.join(folder, f"{k}.png"))
        Image.fromarray(u8).save(paths[-1])
        arrays.append(u8)
    return paths, np.stack(arrays)


def run(*command):
    p = subprocess.run(command, capture_output=True, text=True)
    if p.returncode != 0:
        sys.exit(f"check_export: {' '.join(command)}: status {p.returncode}\n{p.stdout}{p.stderr}")
    return p.stdout


def check(program, name):
    library, family = NETWORKS[name]
    torch.manual_seed(len(name))
    size = 224
    model = create(name, library)
    randomise(model, 128)
    with tempfile.TemporaryDirectory() as folder:
        at = lambda f: os.path.join(folder, f)
        save_file({k: v for k, v in model.state_dict().items() if "num_batches_tracked" not in k}, at("in.safetensors"))
        rule = f"squash={size},crop={size},filter=bilinear,mean=123.675:116.28:103.53,std=58.395:57.12:57.375"
        run(program, "convert", at("in.safetensors"), at("m.effnet"), "--family", family, "--preprocess", rule)
        names = "timm" if library == "timm" else "torchvision"
        said = json.loads(run(program, "convert", at("m.effnet"), at("out.safetensors"), "--names", names, "--json"))
        if said["loads_as"] != name.removeprefix("tv:"):
            sys.exit(f"check_export: {name}: effnet says it loads as {said['loads_as']}")
        state = load_file(at("out.safetensors"))
        back = create(said["loads_as"], library)
        back.load_state_dict(state, strict=True)
        back.eval()
        for k, v in model.state_dict().items():
            if "num_batches_tracked" not in k and not torch.equal(v, back.state_dict()[k]):
                sys.exit(f"check_export: {name}: {k} is not what was saved")

        paths, u8 = pictures(folder, size)
        mean, std = np.float32([123.675, 116.28, 103.53]), np.float32([58.395, 57.12, 57.375])
        x = np.ascontiguousarray(((u8.astype(np.float32) - mean) / std).transpose(0, 3, 1, 2))
        with torch.no_grad():
            f32 = back(torch.from_numpy(x)).numpy().astype(np.float64)
            want = back.double()(torch.from_numpy(x).double()).numpy()
        allowed = max(1e-3 * want.std(), 10 * np.abs(f32 - want).max())

        got = {}
        lines = run(program, "predict", at("m.effnet"), *paths, "--json", "--logits").splitlines()
        got["effnet"] = np.array([json.loads(line)["logits"] for line in lines])
        for form, given in (("", x), ("+preprocess", u8)):
            file = at(f"out{form}.onnx")
            gate = json.loads(run(program, "convert", at("m.effnet"), file, "--json", *(["--with-preprocess"] if form else [])))
            onnx.checker.check_model(file, full_check=True)
            session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
            got["ONNX Runtime" + form] = session.run(None, {"input": given})[0]
            if openvino:
                got["OpenVINO" + form] = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(given)[0]
        print(f"{name}: strict load, equal to the bit; onnx.checker passes; gate by {gate['parity']['runtime']}: "
              f"max |dp| {gate['parity']['max_dp']:.1e}")
        margin = np.sort(want, axis=1)
        margin = margin[:, -1] - margin[:, -2]
        for who, logits in got.items():
            worst = np.abs(logits - want).max()
            print(f"  {who:24} max |dlogit| {worst:.2e} ({worst / want.std():.1e} of the spread), allowed {allowed:.2e}")
            same = logits.argmax(axis=1) == want.argmax(axis=1)
            if not worst <= allowed or not same[margin > 2 * allowed].all():
                sys.exit(f"check_export: {name}: {who} answers differently")


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "build/effnet"
    torch.set_num_threads(1)
    for name in sys.argv[2:] or NETWORKS:
        check(program, name)


main()
