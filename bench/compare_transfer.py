#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Transfer learning beside timm: the same Lite0 weights, epochs, augmentation and images, paired by set and seed.

    python3 -m venv peers && peers/bin/pip install torch torchvision timm
    peers/bin/python bench/compare_transfer.py run --weights lite0.pth --seeds 5 DATA/batik10 DATA/flowers12 DATA/clothing10 >> results.jsonl
    python3 bench/compare_transfer.py table results.jsonl

`run` prints a JSON line a run: effnet's (`effnet train`, everything at its default but keep=last) and PyTorch's (transfer_torch.py, whose
head has the recipe), in turn. --side runs one of them alone. `table` pairs them: mean accuracies, the mean difference with its 95 %
interval over pairs (Student's t), for each set and pooled, and minutes and peak memory.
"""
import argparse
import collections
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
T975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145]


def effnet(a, data, seed):
    with tempfile.TemporaryDirectory() as tmp:
        out = subprocess.run([a.program, "train", data, "--from", a.weights, "--seed", str(seed), "--threads", str(a.threads),
                              "--set", "keep=last", "--out", os.path.join(tmp, "run"), "--json", "--quiet"],
                             check=True, capture_output=True, text=True).stdout
    m = json.loads(out)
    return {"engine": "effnet " + m["cpu"], "top1": m["top1"], "set": m["set"], "n": m["n"], "seconds": m["seconds"], "rss_mb": m["rss_mb"]}


def pytorch(a, data, seed):
    out = subprocess.run([sys.executable, os.path.join(HERE, "transfer_torch.py"), "--weights", a.weights, "--data", data, "--seed",
                          str(seed), "--threads", str(a.threads), "--device", a.device], check=True, capture_output=True, text=True).stdout
    m = json.loads(out)
    return {k: m[k] for k in ("engine", "top1", "set", "n", "seconds", "rss_mb", "device")}


def run(a):
    for seed in range(a.first, a.first + a.seeds):
        for data in a.data:
            for side, one in (("effnet", effnet), ("pytorch", pytorch)):
                if a.side in (None, side):
                    row = {"side": side, "data": os.path.basename(os.path.normpath(data)), "seed": seed}
                    row.update(one(a, data, seed))
                    print(json.dumps(row), flush=True)


def interval(d):
    if len(d) < 2:
        return float("nan")
    t = T975[len(d) - 2] if len(d) - 2 < len(T975) else 1.96
    return t * statistics.stdev(d) / math.sqrt(len(d))


def table(a):
    rows = collections.defaultdict(dict)
    for path in a.results:
        for line in open(path):
            r = json.loads(line)
            rows[r["data"], r["seed"]][r["side"]] = r
    pairs = collections.defaultdict(list)
    for (data, _), r in sorted(rows.items()):
        if len(r) == 2:
            pairs[data].append((r["effnet"], r["pytorch"]))
    print("set\tpairs\teffnet top-1\tPyTorch top-1\tdifference, points\t95 % interval\teffnet s, MB\tPyTorch s, MB")
    everything = []
    for data, p in pairs.items():
        d = [100 * (x["top1"] - y["top1"]) for x, y in p]
        everything += d
        mean = lambda i, k: statistics.mean(q[i][k] for q in p)
        half = interval(d)
        print("%s\t%d\t%.2f\t%.2f\t%+.2f\t%+.2f..%+.2f\t%.0f, %.0f\t%.0f, %.0f" % (
            data, len(p), 100 * mean(0, "top1"), 100 * mean(1, "top1"), statistics.mean(d), statistics.mean(d) - half,
            statistics.mean(d) + half, mean(0, "seconds"), mean(0, "rss_mb"), mean(1, "seconds"), mean(1, "rss_mb")))
    if everything:
        half = interval(everything)
        m = statistics.mean(everything)
        print("all\t%d\t\t\t%+.2f\t%+.2f..%+.2f\t\t" % (len(everything), m, m - half, m + half))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = p.add_subparsers(dest="job", required=True)
    r = sub.add_parser("run")
    r.add_argument("--weights", required=True)
    r.add_argument("--seeds", type=int, default=5)
    r.add_argument("--first", type=int, default=0)
    r.add_argument("--threads", type=int, default=2)
    r.add_argument("--device", default="cpu", help="PyTorch's")
    r.add_argument("--side", choices=["effnet", "pytorch"])
    r.add_argument("--program", default=os.path.join(HERE, "..", "build", "effnet"))
    r.add_argument("data", nargs="+")
    t = sub.add_parser("table")
    t.add_argument("results", nargs="+")
    a = p.parse_args()
    run(a) if a.job == "run" else table(a)


if __name__ == "__main__":
    main()
