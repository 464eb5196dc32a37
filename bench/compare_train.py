#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Training throughput of effnet against PyTorch on the same network, in one run, in turns.

    python3 -m venv peers && peers/bin/pip install torch torchvision
    peers/bin/python bench/compare_train.py --side 224 --batch 16 --threads 2 --rounds 5

A step is forward, backward and an RMSProp update on a batch of random pictures in memory. PyTorch runs channels_last, its best
setting on CPUs here. Each round is a fresh process of either side; the table has medians over rounds, the ratio is taken round by
round, and memory is the process's peak.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def torch_round(a):
    import torch
    import torchvision

    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    net = getattr(torchvision.models, "efficientnet_" + a.model)(weights=None).to(memory_format=torch.channels_last).train()
    opt = torch.optim.RMSprop(net.parameters(), lr=1e-4, alpha=0.9, eps=1e-3, momentum=0.9)
    x = torch.randn(a.batch, 3, a.side, a.side).contiguous(memory_format=torch.channels_last)
    y = torch.arange(a.batch) % 1000
    loss = torch.nn.CrossEntropyLoss()
    times, end = [], None
    while end is None or time.perf_counter() < end or len(times) < 4:
        t = time.perf_counter()
        opt.zero_grad(set_to_none=True)
        loss(net(x), y).backward()
        opt.step()
        if end is None:
            end = time.perf_counter() + a.seconds  # the first step warms up
            continue
        times.append(time.perf_counter() - t)
    print(json.dumps({"images_per_s": a.batch / statistics.median(times), "version": torch.__version__,
                      "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}))


def run(cmd):
    return json.loads(subprocess.run(cmd, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default="b0")
    p.add_argument("--side", type=int, default=224)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=6)
    p.add_argument("--program", default=os.path.join(ROOT, "build", "effnet"))
    p.add_argument("--torch-side", action="store_true", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.torch_side:
        return torch_round(a)
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cpus[-a.threads:])
    same = ["--model", a.model, "--side", str(a.side), "--batch", str(a.batch), "--threads", str(a.threads), "--seconds", str(a.seconds)]
    ours, theirs = [], []
    for _ in range(a.rounds):
        ours.append(run([a.program, "bench", a.model, "--train", "--json", "--batch", str(a.batch), "--resolution", str(a.side),
                         "--threads", str(a.threads), "--min-time", str(a.seconds)]))
        theirs.append(run([sys.executable, os.path.abspath(__file__), "--torch-side"] + same))
    mid = statistics.median
    what = "%s\t%d\t%d\t%d" % (a.model, a.side, a.batch, a.threads)
    print("model\tside\tbatch\tthreads\tengine\timages/s\tpeak MB")
    for name, r in (("effnet " + ours[0]["cpu"], ours), ("torch " + theirs[0]["version"], theirs)):
        print("%s\t%s\t%.1f\t%.0f" % (what, name, mid(x["images_per_s"] for x in r), max(x["rss_mb"] for x in r)))
    print("effnet / torch: speed %.2f (rounds %s), memory %.2f" % (
        mid(o["images_per_s"] / t["images_per_s"] for o, t in zip(ours, theirs)),
        " ".join("%.2f" % (o["images_per_s"] / t["images_per_s"]) for o, t in zip(ours, theirs)),
        max(o["rss_mb"] for o in ours) / max(t["rss_mb"] for t in theirs)))


if __name__ == "__main__":
    sys.exit(main())
