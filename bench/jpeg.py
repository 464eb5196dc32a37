#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From the bytes of a JPEG to the network's input: effnet against Pillow, and against libjpeg-turbo with a plain resize.

    python bench/jpeg.py FOLDER [--library build/libeffnet.so] [--rounds 7] [--cpu N] [--out FILE]

One thread in one process; files are read before. The rule is that of ImageNet's evaluation: short side to 256 by an antialiased bicubic,
middle 224 x 224, mean and deviation. Sides: `pillow` (decode, resize, crop, numpy), `pillow-draft` (the same after Image.draft()),
`plain` (bench/jpeg_plain.c, compiled here with cc), `effnet` and `effnet-fast` (scaled-dct=fast). A round is one turn of each through all
files, every other round in the opposite order; ratios are medians over the rounds of ratios within a round. The pictures are those of FOLDER, and
mosaics of 4000 x 3000 made of them, as a camera's size. Before anything is timed the outputs are compared, in levels of 255.

Needs numpy and Pillow, cc and libjpeg's header.
"""
import argparse
import ctypes as c
import datetime
import io
import os
import statistics
import subprocess
import tempfile
import time

import numpy as np
from PIL import Image, features

HERE = os.path.dirname(os.path.abspath(__file__))
SIDE, CROP = 256, 224
MEAN = np.array([123.675, 116.28, 103.53], np.float32)
STD = np.array([58.395, 57.12, 57.375], np.float32)
BASE = {"pillow": "pillow", "effnet": "pillow", "plain": "pillow", "pillow-draft": "pillow-draft", "effnet-fast": "pillow-draft"}


def pillow(data, draft=False):
    image = Image.open(io.BytesIO(data))
    least = min(image.size)
    size = int(SIDE * image.width / least), int(SIDE * image.height / least)
    if draft:
        image.draft("RGB", size)
    image = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    left, top = round((size[0] - CROP) / 2), round((size[1] - CROP) / 2)
    x = np.asarray(image.crop((left, top, left + CROP, top + CROP)), dtype=np.float32)
    x -= MEAN
    x /= STD
    return x


class Plain:
    def __init__(self, folder):
        library = os.path.join(folder, "plain.so")
        subprocess.run(["cc", "-O3", "-march=native", "-shared", "-fPIC", "-o", library, os.path.join(HERE, "jpeg_plain.c"), "-ljpeg", "-lm"],
                       check=True)
        self.lib = c.CDLL(library)
        self.x = np.empty((CROP, CROP, 3), np.float32)

    def __call__(self, data):
        if self.lib.plain_prepare(data, c.c_size_t(len(data)), SIDE, CROP, pointer(MEAN), pointer(STD), pointer(self.x)):
            raise MemoryError
        return self.x


class Preprocess(c.Structure):
    _fields_ = [("geometry", c.c_int), ("filter", c.c_int), ("side", c.c_int), ("height", c.c_int), ("width", c.c_int), ("fraction", c.c_double),
                ("mean", c.c_float * 3), ("std", c.c_float * 3), ("icc", c.c_int), ("scaled_dct", c.c_int), ("reserved", c.c_uint8 * 24)]


class Error(c.Structure):
    _fields_ = [("code", c.c_int), ("msg", c.c_char * 252)]


class Effnet:
    def __init__(self, library, scaled):
        self.lib, self.err, self.rule = c.CDLL(library), Error(), Preprocess()
        spec = f"short={SIDE},filter=bicubic,crop={CROP},mean={':'.join(map(str, MEAN))},std={':'.join(map(str, STD))},scaled-dct={scaled}"
        if self.lib.eff_preprocess_parse(c.byref(self.rule), spec.encode(), c.byref(self.err)):
            raise SystemExit(self.err.msg.decode())
        self.x = np.empty((CROP, CROP, 3), np.float32)

    def __call__(self, data):
        if self.lib.eff_prepare_bytes(data, c.c_size_t(len(data)), c.byref(self.rule), pointer(self.x), c.byref(self.err)):
            raise SystemExit(self.err.msg.decode())
        return self.x


def pointer(a):
    return a.ctypes.data_as(c.POINTER(c.c_float))


def mosaics(files, n):
    """Pictures of a camera's size with a camera's detail: 64 photographs each, side by side."""
    made = []
    for k in range(n):
        whole = Image.new("RGB", (4000, 3000))
        for i in range(64):
            part = Image.open(io.BytesIO(files[(i + 33 * k) % len(files)])).convert("RGB").resize((500, 375))
            whole.paste(part, (500 * (i % 8), 375 * (i // 8)))
        out = io.BytesIO()
        whole.save(out, "JPEG", quality=90)
        made.append(out.getvalue())
    return made


def apart(sides, files):
    """Mean and largest difference from Pillow's full decode, in levels."""
    found = {name: [0.0, 0.0] for name in sides}
    for data in files:
        want = pillow(data)
        for name, run in sides.items():
            d = np.abs(run(data) - want) * STD
            found[name][0] += float(d.mean()) / len(files)
            found[name][1] = max(found[name][1], float(d.max()))
    return found


def measure(sides, files, rounds):
    took = {name: [] for name in sides}
    for r in range(rounds):
        for name in list(sides)[::1 if r % 2 else -1]:
            run, before = sides[name], time.perf_counter()
            for data in files:
                run(data)
            took[name].append((time.perf_counter() - before) / len(files))
    return took


def table(title, took, differs):
    lines = [f"{title}", "", "| side | images/s | ms, median (least) | against | ratio (rounds) | levels from `pillow`: mean, largest |",
             "|---|---|---|---|---|---|"]
    for name, t in took.items():
        base = BASE[name]
        ratios = [b / a for a, b in zip(t, took[base])]
        middle = statistics.median(t)
        lines.append(f"| {name} | {1 / middle:.1f} | {1e3 * middle:.2f} ({1e3 * min(t):.2f}) | {base} | "
                     f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) | {differs[name][0]:.3f}, {differs[name][1]:.1f} |")
    return "\n".join(lines)


def cpu_name():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "unknown CPU")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("folder", help="JPEG files, in it and below")
    p.add_argument("--library", default="build/libeffnet.so")
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--most", type=int, default=100, help="files taken of the folder")
    p.add_argument("--large", type=int, default=3, help="mosaics; 0: none")
    p.add_argument("--cpu", type=int, default=0, help="the CPU to run on")
    p.add_argument("--out", help="where the tables go besides stdout")
    a = p.parse_args()
    os.sched_setaffinity(0, {a.cpu})
    paths = sorted(os.path.join(d, f) for d, _, names in os.walk(a.folder) for f in names if f.lower().endswith((".jpg", ".jpeg")))
    files = [open(path, "rb").read() for path in paths[:a.most]]
    if not files:
        p.error(f"{a.folder}: no JPEG files")
    with tempfile.TemporaryDirectory() as folder:
        sides = {"pillow": pillow, "effnet": Effnet(a.library, "off"), "plain": Plain(folder),
                 "pillow-draft": lambda data: pillow(data, True), "effnet-fast": Effnet(a.library, "fast")}
        turbo = features.version("libjpeg_turbo") or "another libjpeg"
        parts = [f"{datetime.date.today()}, {cpu_name()}, load {os.getloadavg()[0]:.1f}; Pillow {Image.__version__} (libjpeg-turbo {turbo}), "
                 f"numpy {np.__version__}; {a.rounds} rounds, one thread"]
        for title, some in ((f"{len(files)} files of {os.path.basename(os.path.normpath(a.folder))}", files),
                            (f"{a.large} mosaics of 4000 x 3000", mosaics(files, a.large))):
            if some:
                differs = apart(sides, some)
                parts.append(table(title, measure(sides, some, a.rounds), differs))
    text = "\n\n".join(parts) + "\n"
    print(text, end="")
    if a.out:
        with open(a.out, "w") as f:
            f.write(text)


if __name__ == "__main__":
    main()
