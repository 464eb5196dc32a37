#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A peer's whole way from an empty process to the class of a photograph: `start.py RUNTIME MODEL FOLDER PHOTO THREADS`.

The runtime "none" stops before it would be imported: what Python, numpy and Pillow take of every other one's time.
"""
import sys


def prepared(path, side):
    """As the evaluation rule of these networks has it: short side to 8/7 of the input, centre, ImageNet's mean and deviation."""
    import numpy as np
    from PIL import Image

    image = Image.open(path).convert("RGB")
    short, least = side * 8 // 7, min(image.size)
    image = image.resize((short * image.width // least, short * image.height // least), Image.Resampling.BICUBIC)
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    x = np.asarray(image.crop((left, top, left + side, top + side)), dtype=np.float32)
    mean, std = np.array([123.675, 116.28, 103.53], np.float32), np.array([58.395, 57.12, 57.375], np.float32)
    return ((x - mean) / std)[None]


def main():
    name, model, folder, photo, threads = sys.argv[1:]
    import prepare

    x = prepared(photo, prepare.MODELS[model][2])
    if name == "none":
        print(int(x.argmax()), flush=True)
        return
    import runtimes

    runtime = runtimes.load(dict(runtime=name, model=model, folder=folder, threads=int(threads), batch=1, level="native",
                                 features=False))
    runtime.set_input(x)
    import numpy as np

    print(int(np.asarray(runtime.run()).argmax()), flush=True)


if __name__ == "__main__":
    main()
