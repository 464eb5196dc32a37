#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The other side of tools/train_curve.c: the same network and recipe in PyTorch and timm, the same lines printed.

    python3 -m venv peers && peers/bin/pip install torch timm pillow
    peers/bin/python tools/torch_curve.py DATA SEED EPOCHS BATCH LR

B0 at width 0.5 with stem and second stage at stride 1 (total stride 8), symmetric padding, eps 1e-3, BN momentum 0.1; RMSProp as
TensorFlow defines it (decay 0.9, momentum 0.9, eps 1e-3), weight decay 1e-5 on matrices, label smoothing 0.1, one epoch of linear
warm-up, cosine to zero, no augmentation. Weights start as the official code's do (timm's goog initialisation).
"""
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from timm.models import efficientnet as E
from timm.optim import RMSpropTF


def load(folder):
    classes = sorted(os.listdir(os.path.join(folder)), key=os.fsencode)
    x, y = [], []
    for label, name in enumerate(classes):
        for f in sorted(os.listdir(os.path.join(folder, name)), key=os.fsencode):
            x.append(np.asarray(Image.open(os.path.join(folder, name, f)).convert("RGB")))
            y.append(label)
    x = (torch.from_numpy(np.stack(x)).permute(0, 3, 1, 2).float() - 127.5) / 63.75
    return x.contiguous(memory_format=torch.channels_last), torch.tensor(y)


def main(data, seed, epochs, batch, lr):
    torch.manual_seed(seed)
    net = E._gen_efficientnet("efficientnet_b0", channel_multiplier=0.5, depth_multiplier=1.0, pretrained=False, num_classes=10,
                              bn_eps=1e-3, bn_momentum=0.1, drop_rate=0.0, drop_path_rate=0.0)
    net.conv_stem.stride = (1, 1)
    net.blocks[1][0].conv_dw.stride = (1, 1)
    net = net.to(memory_format=torch.channels_last)
    (xt, yt), (xv, yv) = load(os.path.join(data, "train")), load(os.path.join(data, "val"))
    opt = RMSpropTF([{"params": [p for p in net.parameters() if p.dim() > 1], "weight_decay": 1e-5},
                     {"params": [p for p in net.parameters() if p.dim() <= 1], "weight_decay": 0.0}],
                    lr=lr, alpha=0.9, eps=1e-3, momentum=0.9)
    steps = len(xt) // batch
    step = 0
    for epoch in range(epochs):
        net.train()
        start, total, order = time.time(), 0.0, torch.randperm(len(xt))
        for s in range(steps):
            rate = lr * step / steps if step < steps else 0.5 * lr * (1 + math.cos(math.pi * step / (steps * epochs)))
            for g in opt.param_groups:
                g["lr"] = rate
            i = order[s * batch:(s + 1) * batch]
            loss = F.cross_entropy(net(xt[i].contiguous(memory_format=torch.channels_last)), yt[i], label_smoothing=0.1)
            opt.zero_grad()
            loss.backward()
            opt.step()
            total += loss.item() / steps
            step += 1
        took = time.time() - start
        net.eval()
        with torch.no_grad():
            right = sum(int((net(xv[k:k + 100]).argmax(1) == yv[k:k + 100]).sum()) for k in range(0, len(xv), 100))
        print("%d\t%.5f\t%.4f\t%.1f" % (epoch + 1, total, right / len(xv), took), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
