# SPDX-License-Identifier: Apache-2.0
"""What check_export.py and check_import.py share: pictures that need no resizing, and networks of the libraries with random weights."""
import json
import os
import subprocess
import sys

import numpy as np
from PIL import Image

MEAN, STD = np.float32([123.675, 116.28, 103.53]), np.float32([58.395, 57.12, 57.375])


def rule(size, mean=MEAN, std=STD):
    """Such pictures as they are, normalised."""
    def three(values):
        return ":".join(f"{v:.6g}" for v in values)
    return ["--preprocess", f"squash={size},crop={size},filter=bilinear,mean={three(mean)},std={three(std)}"]


def normalised(u8):
    """uint8 [n][h][w][3] as PyTorch takes it."""
    return np.ascontiguousarray(((u8.astype(np.float32) - MEAN) / STD).transpose(0, 3, 1, 2))


def pattern(size, k):
    grid = np.arange(size)
    x, y, c = grid[None, :, None], grid[:, None, None], np.arange(3)[None, None, :]
    a = np.sin((3 * x + 2 * y) / (17.0 + 9 * k) + c) + np.cos(x * y / (900.0 + 500 * k) - 2 * c)
    return Image.fromarray(np.clip(128 + 60 * a, 0, 255).astype(np.uint8))


def pictures(folder, source, size, most):
    """As files of the network's size, which nobody has to resize, and as one array."""
    if source:
        found = sorted(f for f in os.listdir(source) if f.lower().endswith((".jpg", ".jpeg", ".png")))[:most]
        made = [Image.open(os.path.join(source, f)).convert("RGB").resize((size, size), Image.BILINEAR) for f in found]
    else:
        made = [pattern(size, k) for k in range(min(most, 4))]
    paths = [os.path.join(folder, f"{k}.png") for k in range(len(made))]
    arrays = np.stack([np.asarray(image) for image in made])
    for array, path in zip(arrays, paths):
        Image.fromarray(array).save(path)  # without the colour profile that a photograph may carry
    return paths, arrays


def randomise(model, x):
    """Gamma, beta and biases of its own for every layer of a PyTorch network, and the statistics that the weights lead to on these
    pictures: so no two tensors could be taken for each other, and the logits stay in a sensible range."""
    import torch
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    for m in norms:
        torch.nn.init.uniform_(m.weight, 0.7, 1.3)
        torch.nn.init.normal_(m.bias, 1, 0.3)
        m.momentum = 1.0
    for m in model.modules():
        if isinstance(m, (torch.nn.Conv2d, torch.nn.Linear)) and m.bias is not None:
            torch.nn.init.normal_(m.bias, 0, 0.1)
    model.train()
    with torch.no_grad():
        model(x)
    model.eval()


def run(*command):
    """stdout of a command that must succeed."""
    p = subprocess.run(command, capture_output=True, text=True)
    if p.returncode != 0:
        who = os.path.basename(sys.argv[0]).removesuffix(".py")
        sys.exit(f"{who}: {' '.join(command)}: status {p.returncode}\n{p.stdout}{p.stderr}")
    return p.stdout


def effnet_logits(program, model, paths, *options):
    """Or, of a network without classes, its features."""
    lines = [json.loads(line) for line in run(program, "predict", model, *paths, "--json", "--logits", *options).splitlines()]
    return np.array([line["logits"] if "logits" in line else line["embedding"] for line in lines])
