#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Curves of tools/train_curve.c and tools/torch_curve.py in one picture and one table.

    python3 -m venv peers && peers/bin/pip install matplotlib
    peers/bin/python tools/plot_curves.py RUNS docs/results/learning/curves

RUNS holds effnet_SEED.tsv and torch_SEED.tsv as the two programs print them. Writes curves.svg (each seed thin, the mean of the seeds
over the epochs that all of them have thick) and curves.tsv, and prints the last epochs' means and ranges.
"""
import glob
import os
import re
import sys

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "effnet"  # the same file again for the same numbers
import matplotlib.pyplot as plt  # noqa: E402


def read(folder, side):
    runs = {}
    for path in glob.glob(os.path.join(folder, side + "_*.tsv")):
        with open(path) as f:
            rows = [[float(v) for v in line.split("\t")] for line in f if line.strip()]
        if rows:
            runs[int(re.search(r"_(\d+)\.tsv$", path).group(1))] = rows
    return dict(sorted(runs.items()))


def main(folder, out):
    sides = (("effnet", "effnet", "tab:blue"), ("torch", "PyTorch", "tab:orange"))
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), constrained_layout=True)
    with open(out + ".tsv", "w") as table:
        table.write("# engine\tseed\tepoch\tmean training loss\tvalidation accuracy\n")
        for side, label, colour in sides:
            runs = read(folder, side)
            if not runs:
                sys.exit("%s: no %s_SEED.tsv" % (folder, side))
            for seed, rows in runs.items():
                for r in rows:
                    table.write("%s\t%d\t%d\t%.5f\t%.4f\n" % (side, seed, r[0], r[1], r[2]))
            for column, axis in ((1, axes[0]), (2, axes[1])):
                for rows in runs.values():
                    axis.plot([r[0] for r in rows], [r[column] for r in rows], color=colour, linewidth=0.8, alpha=0.5)
                common = min(len(rows) for rows in runs.values())
                mean = [sum(rows[e][column] for rows in runs.values()) / len(runs) for e in range(common)]
                axis.plot(range(1, common + 1), mean, color=colour, linewidth=2.2, label="%s, %d seeds" % (label, len(runs)))
            last = [rows[-1] for rows in runs.values() if len(rows) == max(len(r) for r in runs.values())]
            for column, what in ((1, "loss"), (2, "accuracy")):
                values = [r[column] for r in last]
                print("%s epoch %d, %d seeds: %s %.4f (%.4f..%.4f)" % (label, last[0][0], len(values), what, sum(values) / len(values),
                                                                      min(values), max(values)))
    for axis, title in ((axes[0], "mean training loss, nats"), (axes[1], "validation accuracy")):
        axis.set_xlabel("epoch")
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
        axis.legend(frameon=False, fontsize=9)
    figure.savefig(out + ".svg", metadata={"Date": None})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
