#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Latency of effnet against ONNX Runtime on the same network, in one run, in turns.

    python3 -m venv peers && peers/bin/pip install torch torchvision onnx onnxscript onnxruntime
    peers/bin/python bench/compare_ort.py --model b0 --threads 1 --rounds 7

Both sides run a random-weight network (the arithmetic does not depend on the values), batch 1, NHWC here and NCHW there, each
with its best kernels. A round is 1.5 s of one and 1.5 s of the other; the table gives the median over rounds of each side's
median and least time, and the ratio of the medians round by round.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
SIDE = dict(b0=224, b1=240, b2=260, b3=300, b4=380, b5=456, b6=528, b7=600)


def export(model, folder):
    import torch
    import torchvision

    torch.manual_seed(0)
    net = getattr(torchvision.models, "efficientnet_" + model)(weights=None).eval()
    path = os.path.join(folder, model + ".onnx")
    torch.onnx.export(net, (torch.randn(1, 3, SIDE[model], SIDE[model]),), path, dynamo=True)
    return path


def ort_session(path, threads):
    import onnxruntime as ort

    o = ort.SessionOptions()
    o.intra_op_num_threads, o.inter_op_num_threads = threads, 1
    o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    return ort.InferenceSession(path, o, providers=["CPUExecutionProvider"]), ort.__version__


def ort_round(session, side, seconds):
    import numpy as np

    x = np.random.default_rng(0).standard_normal((1, 3, side, side), dtype=np.float32)
    name = session.get_inputs()[0].name
    for _ in range(5):
        session.run(None, {name: x})
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        t = time.perf_counter()
        session.run(None, {name: x})
        times.append((time.perf_counter() - t) * 1e3)
    return min(times), statistics.median(times)


def our_round(program, model, threads, cpu, seconds):
    cmd = [program, "bench", model, "--threads", str(threads), "--min-time", str(seconds), "--json"]
    if cpu:
        cmd += ["--cpu", cpu]
    r = json.loads(subprocess.run(cmd, check=True, capture_output=True, text=True).stdout)
    return r["min_ms"], r["median_ms"], r["cpu"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", default="b0", choices=sorted(SIDE))
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=1.5)
    p.add_argument("--cpu", help="cap effnet's level; ONNX Runtime goes by CPUID and cannot be capped")
    p.add_argument("--program", default=os.path.join(ROOT, "build", "effnet"))
    a = p.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cpus[-a.threads:])  # inherited by the other side's process
    with tempfile.TemporaryDirectory() as folder:
        session, version = ort_session(export(a.model, folder), a.threads)
    ours, theirs, level = [], [], ""
    for _ in range(a.rounds):
        least, median, level = our_round(a.program, a.model, a.threads, a.cpu, a.seconds)
        ours.append((least, median))
        theirs.append(ort_round(session, SIDE[a.model], a.seconds))
    mid = statistics.median
    print("model\tthreads\tengine\tleast ms\tmedian ms")
    print("%s\t%d\teffnet %s\t%.2f\t%.2f" % (a.model, a.threads, level, mid(o[0] for o in ours), mid(o[1] for o in ours)))
    print("%s\t%d\tonnxruntime %s\t%.2f\t%.2f" % (a.model, a.threads, version, mid(t[0] for t in theirs), mid(t[1] for t in theirs)))
    print("effnet / onnxruntime, median by round: %.2f" % mid(o[1] / t[1] for o, t in zip(ours, theirs)))


if __name__ == "__main__":
    sys.exit(main())
