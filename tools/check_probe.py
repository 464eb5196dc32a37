#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training steps of effnet against PyTorch in double precision, on networks and recipes of every kind.

    python3 -m venv peers && peers/bin/pip install torch timm safetensors
    peers/bin/python tools/check_probe.py [--program build/tools/train_probe] [--random N] [--only TEXT]

Each case is a width, depth, size, batch, number of classes, optimiser and constants; both sides start from the same random weights
and take the same steps on the same batch. The loss and the gradients of the first step and every parameter and running statistic
after the last are compared; a row gives the worst difference of each kind as a fraction of what is allowed:
loss 1e-6 of itself; a gradient 1e-3 of the tensor's largest (1e-5 of the network's largest where the gradient is zero in theory);
running statistics after one step 1e-4 of the tensor's largest; parameters 1e-3 of the tensor's largest change or what rounding
them to single precision may cost, or after several steps ten times PyTorch's own error in single precision where that is more.
AdamW divides by the gradient's own size: an element is compared only where no step had a gradient that is lost in rounding
(below 1e-3 of the tensor's largest).

PyTorch's own error in single precision is the largest of four runs on the batch in other orders, which changes nothing but the
rounding: a network on two small images can multiply one rounding by a thousand, and a single run is off by much or little by chance.
For several steps of AdamW as many runs in double precision are added whose gradients are off, up or down, by the single-precision error
of their tensor: one element whose gradient is nearly zero then goes the other way, and takes other tensors along.
The last four figures of a row are that error against the same bounds; where it leaves them itself, three times its figure is allowed.
Exit 1 when anything is outside.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file, save_file
from timm.models import efficientnet as E
from timm.optim import RMSpropTF

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
DEFAULT = {"width": 0.35, "depth": 0.5, "resolution": 32, "batch": 8, "classes": 10, "optimizer": "rmsproptf", "lr": 0.002,
           "weight_decay": 0.0, "label_smoothing": 0.1, "steps": 1, "bn_momentum": 0.01, "bn_eps": 1e-3}
CASES = [
    {},
    {"resolution": 33},
    {"resolution": 50, "batch": 3},
    {"resolution": 64, "classes": 2, "label_smoothing": 0.0},
    {"resolution": 47, "batch": 1, "classes": 3},
    {"resolution": 96, "batch": 2, "width": 1.0, "depth": 1.0, "classes": 1000},
    {"width": 0.5, "depth": 1.1, "resolution": 40, "batch": 5, "classes": 7},
    {"width": 1.1, "depth": 1.2, "resolution": 48, "batch": 4, "classes": 17},
    {"width": 0.2, "depth": 0.34, "resolution": 64, "batch": 17, "classes": 33},
    {"width": 1.4, "depth": 1.8, "resolution": 35, "batch": 2, "classes": 5},
    {"bn_eps": 1e-5, "bn_momentum": 0.1},
    {"bn_eps": 1e-2, "bn_momentum": 1.0, "resolution": 45},
    {"steps": 10},
    {"steps": 10, "weight_decay": 1e-5, "resolution": 33, "batch": 9},
    {"steps": 5, "weight_decay": 0.01, "lr": 0.02, "bn_momentum": 0.1, "width": 0.5, "depth": 0.8},
    {"optimizer": "sgd_nesterov", "lr": 0.02, "weight_decay": 1e-5, "steps": 10},
    {"optimizer": "sgd_nesterov", "lr": 0.005, "weight_decay": 0.01, "steps": 6, "resolution": 50, "label_smoothing": 0.0, "batch": 6},
    {"optimizer": "sgd_nesterov", "lr": 0.02, "width": 1.0, "depth": 1.4, "resolution": 57, "batch": 3, "steps": 3, "classes": 100},
    {"optimizer": "adamw", "lr": 0.001, "weight_decay": 0.05},
    {"optimizer": "adamw", "lr": 0.001, "weight_decay": 0.05, "steps": 10},
    {"optimizer": "adamw", "lr": 0.0003, "steps": 4, "resolution": 34, "batch": 7, "width": 0.75, "depth": 0.6, "bn_eps": 1e-5},
]
ORDERS = 4
BN = {"weight": "gamma", "bias": "beta", "running_mean": "mean", "running_var": "var"}


def build(case):
    net = E._gen_efficientnet("tf_efficientnet_b0", channel_multiplier=case["width"], depth_multiplier=case["depth"],
                              pretrained=False, num_classes=case["classes"], bn_eps=case["bn_eps"], bn_momentum=case["bn_momentum"],
                              pad_type="same", drop_rate=0.0, drop_path_rate=0.0)
    return net.train()


def names(net):
    """{the library's name: neutral name}, found from the blocks' own modules."""
    out = {"conv_stem.weight": "stem.conv.w", "conv_head.weight": "head.conv.w", "classifier.weight": "fc.w", "classifier.bias": "fc.b"}
    bns = {"bn1": "stem.bn", "bn2": "head.bn"}
    count = 0
    for s, stage in enumerate(net.blocks):
        for j, block in enumerate(stage):
            here, there = "blocks.%d.%d." % (s, j), "b%02d." % count
            expands = hasattr(block, "conv_pwl")
            parts = (("conv_pw", "bn1", "expand"), ("conv_dw", "bn2", "dw"), ("conv_pwl", "bn3", "project")) if expands else \
                    (("conv_dw", "bn1", "dw"), ("conv_pw", "bn2", "project"))
            for conv, bn, name in parts:
                out[here + conv + ".weight"] = there + name + ".conv.w"
                bns[here + bn] = there + name + ".bn"
            for layer, name in (("conv_reduce", "reduce"), ("conv_expand", "expand")):
                out[here + "se." + layer + ".weight"] = there + "se." + name + ".w"
                out[here + "se." + layer + ".bias"] = there + "se." + name + ".b"
            count += 1
    for theirs, ours in bns.items():
        for leaf, name in BN.items():
            out[theirs + "." + leaf] = ours + "." + name
    return out


def start(net, seed):
    """Weights of a network that has been trained a little: nothing at 0 or 1 by chance."""
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for key, v in net.state_dict().items():
            if not v.is_floating_point():
                continue
            if key.endswith("running_var"):
                v.copy_(torch.from_numpy(rng.uniform(0.5, 2.0, v.shape).astype(np.float32)))
            elif key.endswith("running_mean") or key.endswith("bias"):
                v.copy_(torch.from_numpy(rng.normal(0, 0.3, v.shape).astype(np.float32)))
            elif v.dim() == 1:
                v.copy_(torch.from_numpy(rng.uniform(0.6, 1.4, v.shape).astype(np.float32)))
            else:
                fan_in = int(np.prod(v.shape[1:]))
                v.copy_(torch.from_numpy((rng.normal(0, 1, v.shape) / np.sqrt(fan_in)).astype(np.float32)))


def optimizer(net, case):
    groups = [{"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": case["weight_decay"]},
              {"params": [p for p in net.parameters() if p.dim() <= 1], "weight_decay": 0.0}]
    if case["optimizer"] == "rmsproptf":
        return RMSpropTF(groups, lr=case["lr"], alpha=0.9, eps=1e-3, momentum=0.9)
    if case["optimizer"] == "sgd_nesterov":
        return torch.optim.SGD(groups, lr=case["lr"], momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=case["lr"], betas=(0.9, 0.999), eps=1e-8)


def train(case, state, x, y, dtype, noise=None, rng=None):
    net = build(case)
    net.load_state_dict(state)
    net = net.to(dtype)
    name, opt, first, steady = names(net), optimizer(net, case), {}, {}
    for step in range(case["steps"]):
        loss = F.cross_entropy(net(torch.from_numpy(x).to(dtype)), torch.from_numpy(y).long(), label_smoothing=case["label_smoothing"])
        opt.zero_grad()
        loss.backward()
        if step == 0:
            first = {"loss": loss.item(), "grad": {name[k]: p.grad.double().numpy().copy() for k, p in net.named_parameters()}}
        for k, p in net.named_parameters():
            size = p.grad.abs().numpy()
            steady[name[k]] = steady.get(name[k], True) & (size >= 1e-3 * size.max())
            if noise:
                p.grad += noise[name[k]] * torch.from_numpy(rng.choice([-1.0, 1.0], size.shape))
        opt.step()
    first["steady"] = steady
    first["param"] = {name[k]: v.double().numpy().copy() for k, v in net.state_dict().items() if k in name}
    return first


def top(v):
    return float(np.abs(v).max())


def compare(case, got, want, single, begin):
    """{kind: (largest fraction of the bound, tensor)}"""
    worst = {"loss": (abs(float(got["loss"][0]) - want["loss"]) / (1e-6 * abs(want["loss"])), "loss")}

    def note(kind, off, bound, name):
        part = off / bound if bound > 0 else (0.0 if off == 0 else float("inf"))
        part = part if part == part else float("inf")
        if part >= worst.get(kind, (-1.0,))[0]:
            worst[kind] = (part, name)

    largest = max(top(g) for g in want["grad"].values())
    null = {n for n, g in want["grad"].items() if top(g) < 1e-9 * largest}
    for n, g in want["grad"].items():
        off = top(got["grad." + n].astype(np.float64) - g)
        note("gradient", off, 1e-5 * largest if n in null else 1e-3 * top(g), n)
    for n, v in want["param"].items():
        mine, running = got["param." + n].astype(np.float64), n.endswith((".mean", ".var"))
        diff = np.abs(mine - v)
        if running and case["steps"] == 1:
            note("running", float(diff.max()), 1e-4 * top(v), n)
            continue
        if n in null:
            continue
        if case["optimizer"] == "adamw" and not running:
            diff = np.where(want["steady"][n], diff, 0)
        bound = max(1e-3 * top(v - begin[n]), 2.0**-24 * top(v))
        if case["steps"] > 1:
            bound = max(bound, 10 * max(top(np.where(want["steady"].get(n, True) if case["optimizer"] == "adamw" else True,
                                                     r["param"][n] - v, 0)) for r in single))
        note("running" if running else "parameter", float(diff.max()), bound, n)
    return worst


def run(case, program, folder, number):
    torch.manual_seed(number)
    net = build(case)
    start(net, 1000 + number)
    state = {k: v.clone() for k, v in net.state_dict().items()}
    name = names(net)
    begin = {name[k]: v.numpy().copy() for k, v in state.items() if k in name}
    rng = np.random.default_rng(number)
    side, n = case["resolution"], case["batch"]
    x = rng.normal(0, 1, (n, 3, side, side)).astype(np.float32) + rng.normal(0, 0.5, (n, 3, 1, 1)).astype(np.float32)
    y = rng.integers(0, case["classes"], n).astype(np.int32)
    np.save(os.path.join(folder, "x.npy"), x)
    np.save(os.path.join(folder, "y.npy"), y)
    save_file(begin, os.path.join(folder, "init.safetensors"))
    with open(os.path.join(folder, "task.json"), "w") as f:
        json.dump({k: v for k, v in case.items() if k != "batch"}, f)
    result = os.path.join(folder, "result.safetensors")
    subprocess.run([program, folder, result], check=True)
    double = train(case, state, x, y, torch.float64)
    orders = [rng.permutation(n) for _ in range(ORDERS)]
    single = [train(case, state, x[o], y[o], torch.float32) for o in orders]
    begin = {k: v.astype(np.float64) for k, v in begin.items()}
    if case["optimizer"] == "adamw" and case["steps"] > 1:
        off = {k: max(top(r["grad"][k] - g) for r in single) for k, g in double["grad"].items()}
        single += [train(case, state, x, y, torch.float64, off, rng) for _ in range(ORDERS)]
    peer = {}
    for r in single[:ORDERS]:
        theirs = {"loss": [r["loss"]]}
        for kind in ("grad", "param"):
            theirs.update({kind + "." + k: v for k, v in r[kind].items()})
        for kind, v in compare(case, theirs, double, single, begin).items():
            peer[kind] = max(peer.get(kind, v), v)
    return compare(case, load_file(result), double, single, begin), peer


def draw(rng):
    kind = rng.choice(["rmsproptf", "sgd_nesterov", "adamw"])
    return {"width": rng.choice([0.2, 0.35, 0.5, 0.6, 0.85, 1.0]), "depth": rng.choice([0.3, 0.5, 0.7, 1.0, 1.1, 1.3]),
            "resolution": rng.randint(32, 80), "batch": rng.randint(2, 12), "classes": rng.randint(2, 60), "optimizer": kind,
            "lr": {"rmsproptf": 0.002, "sgd_nesterov": 0.02, "adamw": 0.001}[kind] * rng.choice([0.3, 1.0]),
            "weight_decay": rng.choice([0.0, 1e-5, 1e-2]), "label_smoothing": rng.choice([0.0, 0.1]), "steps": rng.choice([1, 2, 5]),
            "bn_momentum": rng.choice([0.01, 0.1, 0.5]), "bn_eps": rng.choice([1e-5, 1e-3])}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--program", default=os.path.join(ROOT, "build", "tools", "train_probe"))
    p.add_argument("--random", type=int, default=0, help="so many further cases drawn at random")
    p.add_argument("--only", default="", help="cases whose description contains TEXT")
    a = p.parse_args()
    rng = random.Random(5)
    cases = [dict(DEFAULT, **c) for c in CASES] + [draw(rng) for _ in range(a.random)]
    print("width\tdepth\tside\tbatch\tclasses\toptimizer\tlr\tdecay\tsmooth\tsteps\tmomentum\teps\tloss\tgradient\trunning\tparameter\t"
          "torch32 loss\tgradient\trunning\tparameter\tworst tensor")
    bad = 0
    for number, c in enumerate(cases):
        what = "\t".join("%g" % c[k] if not isinstance(c[k], str) else c[k] for k in
                         ("width", "depth", "resolution", "batch", "classes", "optimizer", "lr", "weight_decay", "label_smoothing",
                          "steps", "bn_momentum", "bn_eps"))
        if a.only not in what:
            continue
        with tempfile.TemporaryDirectory() as folder:
            worst, peer = run(c, a.program, folder, number)
        bad += any(v[0] > max(1, 3 * peer[k][0]) for k, v in worst.items())
        kinds = ("loss", "gradient", "running", "parameter")
        print(what + "".join("\t%.3f" % w[k][0] for w in (worst, peer) for k in kinds) + "\t" + max(worst.values())[1], flush=True)
    print("%d cases outside" % bad)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
