#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/checkpoints/keras: HDF5 files as Keras lays them out, compressed to be kept, and what must be refused.

usage: make_keras_files.py GOLDEN_CHECKPOINTS OUT; needs h5py. The weights are those of the golden data's small network.
"""
import io
import json
import os
import sys
import zipfile

import h5py
import numpy as np

golden, out = sys.argv[1], sys.argv[2]
os.makedirs(out, exist_ok=True)
def at(name): return os.path.join(out, name)
def new(name): return h5py.File(at(name), "w")


def copy_attrs(a, b):
    for k in a.attrs:
        b.attrs[k] = a.attrs[k]


def copy_packed(a, b):
    """Groups and attributes as they are, larger data sets chunked, shuffled and gzipped."""
    copy_attrs(a, b)
    for k, v in a.items():
        if isinstance(v, h5py.Group):
            copy_packed(v, b.create_group(k))
        else:
            packed = {"compression": "gzip", "shuffle": True} if v.size > 64 else {}
            d = b.create_dataset(k, data=v[()], **packed)
            copy_attrs(v, d)


def repack(name, to):
    with h5py.File(os.path.join(golden, name)) as a, h5py.File(to, "w", libver=("v110", "v110")) as b:  # one chunk costs less there
        copy_packed(a, b)


for layout, name in [("weights", "small_keras.weights.h5"), ("full", "small_keras_full.h5"),
                     ("legacy", "small_keras_legacy_weights.h5"), ("published", "small_keras_published_layout.h5")]:
    repack(name, at(f"{layout}.h5"))

with zipfile.ZipFile(os.path.join(golden, "small_keras.keras")) as z, \
        zipfile.ZipFile(at("small.keras"), "w", zipfile.ZIP_DEFLATED) as to:
    for member in ("metadata.json", "config.json", "model.weights.h5"):
        stamp = zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0))
        stamp.compress_type = zipfile.ZIP_DEFLATED
        to.writestr(stamp, z.read(member))

# What people save: the network within another model, a classifier of their own, an optimiser beside it.
with h5py.File(os.path.join(golden, "small_keras.weights.h5")) as a, \
        h5py.File(at("finetuned.h5"), "w", libver=("v110", "v110")) as b:
    outer = b.create_group("layers")
    copy_packed(a["layers"], outer.create_group("functional/layers"))
    del outer["functional/layers/dense"]
    variance = outer["functional/layers/normalization/vars/1"]
    variance[...] = np.sqrt(variance[...])  # the standard deviation, as in the published files
    copy_packed(a["layers/dense"], outer.create_group("dense"))
    outer["dense/vars"].attrs["name"] = "my_classes"
    state = b.create_group("optimizer/vars")
    for i in range(4):
        state.create_dataset(str(i), data=np.full(5, i, np.float32))
    seed = outer.create_group("functional/layers/dropout/seed_generator/vars")
    seed.create_dataset("0", data=np.array([1, 2], np.uint32))

# Element types and byte orders.
with new("types.h5") as f:
    for name, kind in [("f2", "<f2"), ("f4b", ">f4"), ("f8", "<f8"), ("f8b", ">f8"), ("i1", "i1"), ("i2", "<i2"),
                       ("i4b", ">i4"), ("i8", "<i8"), ("u1", "u1")]:
        f.create_dataset(f"x/{name}", data=np.array([0, 1, 2, 100], kind))
    f.create_dataset("x/u4", data=np.array([1], np.uint32))             # no weights: passed over
    f.create_dataset("x/words", data=np.array([b"a", b"b"]))
    f.create_dataset("x/many", data=np.zeros((1,) * 9, np.float32))
    f.create_dataset("x/scalar", data=np.float32(7))
    f.create_dataset("x/empty", data=np.zeros((0, 3), np.float32))

# ------------------------------------------------------------------------------------------------ to be refused
one = np.arange(6, dtype=np.float32)
with new("bad_soft_link.h5") as f:
    f["a/loop"] = h5py.SoftLink("/a/loop")
with new("bad_external_link.h5") as f:
    f["a/kernel"] = h5py.ExternalLink("/etc/passwd", "/x")
with new("bad_cycle.h5") as f:
    f.create_group("a")["self"] = f["/"]
with new("bad_branching.h5") as f:  # every group twice in the one above: 2^23 ways down
    g = f
    for i in range(22):
        h = g.create_group("a")
        g["b"] = h
        g = h
with new("bad_virtual.h5") as f:
    v = h5py.VirtualLayout(shape=(6,), dtype="f4")
    v[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(6,))
    f.create_virtual_dataset("conv/kernel", v)
with new("bad_external_data.h5") as f:
    f.create_dataset("conv/kernel", shape=(6,), dtype="f4", external=[("/etc/passwd", 0, 24)])
with new("bad_lzf.h5") as f:
    f.create_dataset("conv/kernel", data=one, chunks=(6,), compression="lzf")
with new("bad_scaleoffset.h5") as f:
    f.create_dataset("conv/kernel", data=one, chunks=(6,), scaleoffset=2)
with new("bad_huge.h5") as f:  # a terabyte that was never written
    f.create_dataset("conv/kernel", shape=(1 << 19, 1 << 19), dtype="f4", chunks=(64, 64))
with new("bad_overflow.h5") as f:
    f.create_dataset("conv/kernel", shape=(1 << 40, 1 << 40), dtype="f4", chunks=(64, 64))
with new("bad_unwritten.h5") as f:
    f.create_dataset("conv/kernel", shape=(6,), dtype="f4")
with new("bad_twice.h5") as f:
    f.create_dataset("a/conv/kernel", data=one)
    f.create_dataset("b/conv/kernel", data=one)
with new("bad_name.h5") as f:
    f.create_dataset(b"conv/ker\xffnel", data=one)


def archive(name, config, weights):
    with zipfile.ZipFile(at(name), "w", zipfile.ZIP_DEFLATED) as z:
        for member, text in [("metadata.json", b"{}"), ("config.json", config), ("model.weights.h5", weights)]:
            z.writestr(zipfile.ZipInfo(member, (1980, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)


memory = io.BytesIO()
with h5py.File(memory, "w") as f:
    f.create_dataset("layers/conv2d/vars/0", data=one)
small = memory.getvalue()
# What keras.applications puts in front with ImageNet weights, within a model that a user made; what comes behind the
# convolution does not count.
def layer(kind, /, **config): return {"class_name": kind, "config": config}


std = [0.229, 0.224, 0.225]
inner = [layer("InputLayer", batch_shape=[None, None, None, 3]), layer("Rescaling", scale=1 / 255, offset=0.0), layer("Normalization", name="n"),
         layer("Rescaling", scale=[1 / s ** 0.5 for s in std], offset=0), layer("Conv2D", name="stem_conv"),
         layer("Rescaling", scale=7, offset=7)]
config = layer("Sequential", layers=[layer("InputLayer", batch_shape=[None, 300, 200, 3]), layer("RandomFlip", name="flip"),
                                     layer("Resizing", height=96, width=80), layer("Functional", layers=inner)])
memory = io.BytesIO()
with h5py.File(memory, "w") as f:
    v = f.create_group("layers/functional/layers/normalization/vars")
    v.attrs["name"] = "n"
    v.create_dataset("0", data=np.array([0.485, 0.456, 0.406], np.float32))
    v.create_dataset("1", data=np.array(std, np.float32))
archive("input.keras", json.dumps(config).encode(), memory.getvalue())

archive("bad_config.keras", b"{ not JSON", small)
archive("bad_weights.keras", b"{}", b"no HDF5 at all")
archive("bad_bomb.keras", b"{}", bytes(64 << 20))
