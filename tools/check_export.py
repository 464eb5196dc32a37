#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Has the libraries themselves read what effnet exports:
`python3 tools/check_export.py [--program build/effnet] [--images FOLDER] [--most N] [NETWORK[=WEIGHTS]...]`.

A network of timm (or, as tv:NAME, torchvision) gets WEIGHTS, a checkpoint or model file that effnet reads; or random weights and batch-norm
statistics of its own, which are saved and converted to a model file. Exported again, the weights must load with strict=True and, where they
were the library's, be equal to the bit; the exported ONNX, with and without preprocessing, must pass onnx.checker in full and answer in ONNX
Runtime (and OpenVINO, where it is installed) as the library does in float64, within max(1e-3 of the logits' spread, ten times what float32
costs the library itself); so must effnet; and the most likely class must be the library's wherever its margin is wider than that. FOLDER has
the photographs (else patterns). All networks take some hours of a core. Status 77 where a Python package is missing."""
import argparse
import json
import os
import sys
import tempfile

try:
    import numpy as np
    import onnx
    import onnxruntime
    import timm
    import torch
    import torchvision
    from libraries import effnet_logits, normalised, pictures, randomise, rule, run
    from safetensors.torch import load_file, save_file
except ImportError as e:
    print(f"check_export: the Python package {e.name} is not installed", file=sys.stderr)
    sys.exit(77)
try:
    import openvino
except ImportError:
    openvino = None

# input size, by name in the library
NETWORKS = {
    "tf_efficientnet_b0": 224, "tf_efficientnet_b1": 240, "tf_efficientnet_b2": 260, "tf_efficientnet_b3": 300,
    "tf_efficientnet_b4": 380, "tf_efficientnet_b5": 456, "tf_efficientnet_b6": 528, "tf_efficientnet_b7": 600,
    "tf_efficientnet_lite0": 224, "tf_efficientnet_lite1": 240, "tf_efficientnet_lite2": 260,
    "tf_efficientnet_lite3": 280, "tf_efficientnet_lite4": 300, "efficientnet_b0": 224, "mobilenetv2_100": 224,
    "resnet50": 224, "tf_efficientnetv2_s": 224, "tv:efficientnet_b0": 224, "tv:mobilenet_v2": 224,
    "tv:resnet50": 224, "tv:efficientnet_v2_s": 224,
}
BATCH = 4
BYTES = 8  # pictures for the form that takes uint8, which differs in its first four nodes only


def create(name, classes=1000):
    if name.startswith("tv:"):
        return torchvision.models.get_model(name[3:], weights=None, num_classes=classes)
    return timm.create_model(name, pretrained=False, num_classes=classes)


def family_of(name):
    return "torchvision" if name.startswith("tv:") else "timm_tf" if name.startswith("tf_") else "timm"


def batches(f, *arrays):
    return np.concatenate([f(*(a[i:i + BATCH] for a in arrays)) for i in range(0, len(arrays[0]), BATCH)])


def logits_of(model, x):
    with torch.no_grad():
        return batches(lambda part: model(part).numpy(), x).astype(np.float64)


def make_model(program, name, weights, size, x, folder):
    """m.effnet in the folder; and the library's own tensors, if it made them."""
    target = os.path.join(folder, "m.effnet")
    if weights:
        run(program, "convert", weights, target, *rule(size))
        return None
    torch.manual_seed(len(name))
    model = create(name)
    randomise(model, x[::max(1, len(x) * x.shape[-1] ** 2 // (100 * 224 ** 2))])  # statistics at the network's own size, from fewer where it is large
    state = {k: v for k, v in model.state_dict().items() if "num_batches_tracked" not in k}
    save_file(state, os.path.join(folder, "in.safetensors"))
    run(program, "convert", os.path.join(folder, "in.safetensors"), target, "--family", family_of(name), *rule(size))
    return state


def load_strictly(program, name, state, folder):
    file = os.path.join(folder, "out.safetensors")
    names = "torchvision" if name.startswith("tv:") else "timm"
    said = json.loads(run(program, "convert", os.path.join(folder, "m.effnet"), file, "--names", names, "--json"))
    if said["loads_as"] != name.removeprefix("tv:"):
        sys.exit(f"check_export: {name}: effnet says it loads as {said['loads_as']}")
    exported = load_file(file)
    model = create(name, next(len(v) for k, v in exported.items() if k in ("classifier.bias", "fc.bias", "classifier.1.bias")))
    model.load_state_dict(exported, strict=True)
    for k, v in (state or {}).items():
        if not torch.equal(v, model.state_dict()[k]):
            sys.exit(f"check_export: {name}: {k} is not what was saved")
    return model.eval()


def run_onnx(program, folder, form, given, bar, got):
    """Export, check and run; the gate's own words."""
    file = os.path.join(folder, f"out{form}.onnx")
    said = json.loads(run(program, "convert", os.path.join(folder, "m.effnet"), file, "--json", "--bar", f"{bar:.6f}",
                          *(["--with-preprocess"] if form else [])))
    onnx.checker.check_model(file, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    got["ONNX Runtime" + form] = batches(lambda part: session.run(None, {"input": part})[0], given)
    if openvino:
        compiled = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        got["OpenVINO" + form] = batches(lambda part: compiled(part)[0].copy(), given)
    return said["parity"]


def check(program, name, weights, source, most):
    size = NETWORKS[name]
    with tempfile.TemporaryDirectory() as folder:
        paths, u8 = pictures(folder, source, size, most)
        x = normalised(u8)
        state = make_model(program, name, weights, size, torch.from_numpy(x), folder)
        model = load_strictly(program, name, state, folder)
        f32 = logits_of(model, torch.from_numpy(x))
        want = logits_of(model.double(), torch.from_numpy(x).double())
        own, spread = np.abs(f32 - want).max(), want.std()
        allowed = max(1e-3 * spread, 10 * own)

        got = {"effnet": effnet_logits(program, os.path.join(folder, "m.effnet"), paths)}
        gates = [run_onnx(program, folder, form, given, min(1, allowed / spread), got) for form, given in (("", x), ("+preprocess", u8[:BYTES]))]

    order = np.sort(want, axis=1)
    sure = order[:, -1] - order[:, -2] > 2 * allowed
    row = {"library": own / spread}
    for who, logits in got.items():
        n = len(logits)
        worst = np.abs(logits - want[:n]).max()
        same = (logits.argmax(axis=1) == want[:n].argmax(axis=1))[sure[:n]]
        row[who] = worst / spread
        if not worst <= allowed or not same.all():
            sys.exit(f"check_export: {name}: {who} answers differently: max |dlogit| {worst:.2e}, allowed {allowed:.2e}; "
                     f"top-1 equal on {same.sum()} of {len(same)} with a margin")
    print(f"{name}{' ' + os.path.basename(weights) if weights else ''}: {len(paths)} pictures of {size} pixels, {sure.sum()} with a margin; "
          f"allowed {allowed / spread:.1e} of the logits' spread, found "
          + ", ".join(f"{who} {value:.1e}" for who, value in row.items())
          + f"; gate by {gates[0]['runtime']}: max |dp| {max(g['max_dp'] for g in gates):.1e}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--program", default="build/effnet")
    p.add_argument("--images")
    p.add_argument("--most", type=int, default=100, help="pictures for each network")
    p.add_argument("network", nargs="*", default=list(NETWORKS))
    a = p.parse_args()
    torch.set_num_threads(1)
    for network in a.network:
        name, _, weights = network.partition("=")
        if name not in NETWORKS:
            sys.exit(f"check_export: {name}: expected one of {' '.join(NETWORKS)}")
        check(a.program, name, weights, a.images, a.most)


main()
