#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a timm user gets from the same Lite0 weights, epochs and augmentation as `effnet train`: the other side of compare_transfer.py.

    python3 -m venv peers && peers/bin/pip install torch torchvision timm
    peers/bin/python bench/transfer_torch.py --weights lite0.pth --data DIR [--seed 0] [--device cpu|cuda]

The recipe: body frozen for the first two epochs, then everything open with batch norm frozen; AdamW, weight decay 0.02, learning rate
5e-4 (classifier 2e-3), one cosine; label smoothing 0.1; batch 32 at 224 pixels; random-resized crop of 0.65..1 of the area, mirror
image, brightness and contrast within 10 % (what `effnet train` does unless told otherwise). The weights of the last epoch count: no epoch is chosen by the images that measure it. One JSON line.
"""
import argparse
import json
import math
import os
import resource
import time

import timm
import torch
import torch.nn.functional as F
from torchvision import datasets, transforms as T
from torchvision.transforms import InterpolationMode as I


def lite0(weights, classes):
    """timm's network with the released weights; both list their tensors in the same order, stem to head."""
    net = timm.create_model("tf_efficientnet_lite0", num_classes=1000)
    counter = "num_batches_tracked"
    theirs = [(k, v) for k, v in torch.load(weights, map_location="cpu", weights_only=True).items() if not k.endswith(counter)]
    ours = [(k, v) for k, v in net.state_dict().items() if not k.endswith(counter)]
    assert len(ours) == len(theirs) and all(a.shape == b.shape for (_, a), (_, b) in zip(ours, theirs))
    net.load_state_dict({k: v for (k, _), (_, v) in zip(ours, theirs)}, strict=False)
    net.reset_classifier(classes)
    return net


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--weights", required=True)
    p.add_argument("--data", required=True)
    p.add_argument("--test", help="folder that measures [test/ where there is one, else val/]")
    p.add_argument("--epochs", type=int, default=12)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--workers", type=int, default=1)
    p.add_argument("--device", default="cpu")
    a = p.parse_args()
    torch.manual_seed(a.seed)
    torch.set_num_threads(a.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    dev = torch.device(a.device)
    norm = T.Normalize([127 / 255] * 3, [128 / 255] * 3)
    varied = T.Compose([T.RandomResizedCrop(224, (0.65, 1.0), interpolation=I.BICUBIC), T.RandomHorizontalFlip(),
                        T.ColorJitter(0.1, 0.1), T.ToTensor(), norm])
    plain = T.Compose([T.Resize(256, I.BICUBIC), T.CenterCrop(224), T.ToTensor(), norm])
    test = a.test or ("test" if os.path.isdir(os.path.join(a.data, "test")) else "val")
    train = datasets.ImageFolder(os.path.join(a.data, "train"), varied)
    measured = datasets.ImageFolder(os.path.join(a.data, test), plain)
    assert train.classes == measured.classes
    load = lambda d, shuffle: torch.utils.data.DataLoader(d, 32, shuffle=shuffle, num_workers=a.workers, drop_last=shuffle,
                                                          persistent_workers=True)
    start = time.time()
    net = lite0(a.weights, len(train.classes)).to(dev, memory_format=torch.channels_last)
    head = list(net.get_classifier().parameters())
    inside = {id(q) for q in head}
    batches, scored = load(train, True), load(measured, False)
    steps, warm = a.epochs * len(batches), 2 * len(batches)
    groups = [{"params": head, "lr": 2e-3}, {"params": [q for q in net.parameters() if id(q) not in inside], "lr": 5e-4}]
    opt = torch.optim.AdamW(groups, weight_decay=0.02)
    step, epoch_top1 = 0, []
    for _ in range(a.epochs):
        net.train()
        for m in net.modules():
            if isinstance(m, torch.nn.BatchNorm2d):
                m.eval()
        for x, y in batches:
            f = 0.5 * (1 + math.cos(math.pi * step / steps))
            opt.param_groups[0]["lr"], opt.param_groups[1]["lr"] = 2e-3 * f, 5e-4 * f if step >= warm else 0.0
            step += 1
            opt.zero_grad()
            x = x.to(dev, memory_format=torch.channels_last)
            F.cross_entropy(net(x), y.to(dev), label_smoothing=0.1).backward()
            opt.step()
        net.eval()
        right = 0
        with torch.inference_mode():
            for x, y in scored:
                right += (net(x.to(dev, memory_format=torch.channels_last)).argmax(1).cpu() == y).sum().item()
        epoch_top1.append(round(right / len(measured), 4))
    print(json.dumps({"engine": "torch " + torch.__version__, "device": a.device, "data": os.path.basename(os.path.normpath(a.data)),
                      "set": test, "n": len(measured), "train": len(train), "seed": a.seed, "epochs": a.epochs, "top1": epoch_top1[-1],
                      "epoch_top1": epoch_top1, "seconds": round(time.time() - start, 1),
                      "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}), flush=True)


if __name__ == "__main__":
    main()
