#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/pictures: TIFF and AVIF files of a picture made by formula, and what Pillow reads in them.

usage: make_worker_pictures.py OUT; needs numpy and Pillow of 11.3 or more. Kinds that Pillow does not write are put together
here, byte by byte. list.tsv names each file, the PNG with its upright pixels, and by how many levels they may differ. Of 16 bits
in grey the high byte is expected, as in a PNG: Pillow's convert('RGB') makes all of them 255.
"""
import io
import os
import struct
import sys

import numpy as np
from PIL import Image, ImageCms, ImageOps

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
W, H = 23, 17
y, x = np.mgrid[0:H, 0:W]
rgb = np.stack([(x * 11 + y * 3) % 256, (x * 5 + y * 13 + 40) % 256, ((x - 8) ** 2 + (y - 5) ** 2) % 256], axis=2).astype(np.uint8)
alpha = (40 + (x * 9 + y * 7) % 216).astype(np.uint8)
alpha[3, 4] = 0
grey = rgb[:, :, 0]
wide = (rgb.astype(np.uint16) << 8) + 37 * (x[:, :, None] + 1).astype(np.uint16) % 256
index = ((x + 2 * y) % 16).astype(np.uint8)
ramp = [(v * 16, 255 - v * 13, v * v) for v in range(16)]
ink = np.dstack([rgb, 255 - alpha])
rows = []


def expect(name, want, levels):
    reference = next((r[1] for r in rows if np.array_equal(r[3], want)), None)
    if reference is None:
        reference = name.replace(".", "_") + ".png"
        Image.fromarray(want).save(os.path.join(out, reference), optimize=True)
    rows.append((name, reference, levels, want))


def read(name):
    with Image.open(os.path.join(out, name)) as im:
        return np.asarray(ImageOps.exif_transpose(im).convert("RGB"))


def pillow(name, im, levels=0, **how):
    im.save(os.path.join(out, name), **how)
    expect(name, read(name), levels)


def tiff(name, pieces, tags, order="<", big=False, want=None, levels=0):
    """One directory; pieces are its strips, or tiles where tags have 322. tags: {number: (type, values)}."""
    kinds = {1: "B", 3: "H", 4: "I", 16: "Q"}
    offsets, at = [], 16 if big else 8
    for p in pieces:
        offsets.append(at)
        at += len(p)
    tags = dict(tags)
    tags.setdefault(256, (4, [W]))
    tags.setdefault(257, (4, [H]))
    tags[324 if 322 in tags else 273] = (16 if big else 4, offsets)
    tags[325 if 322 in tags else 279] = (16 if big else 4, [len(p) for p in pieces])
    count, entry, inline = ("Q", "HHQ", 8) if big else ("H", "HHI", 4)
    at += at % 2
    extra = at + struct.calcsize(order + count) + len(tags) * (struct.calcsize(order + entry) + inline) + inline
    directory, behind = struct.pack(order + count, len(tags)), b""
    for number in sorted(tags):
        kind, values = tags[number]
        data = struct.pack(order + kinds[kind] * len(values), *values)
        if len(data) > inline:
            data, tail = struct.pack(order + ("Q" if big else "I"), extra + len(behind)), data
            behind += tail + b"\0" * (len(tail) % 2)
        directory += struct.pack(order + entry, number, kind, len(values)) + data.ljust(inline, b"\0")
    directory += b"\0" * inline
    head = (b"II" if order == "<" else b"MM") + (struct.pack(order + "HHHQ", 43, 8, 0, at) if big else struct.pack(order + "HI", 42, at))
    body = b"".join(pieces)
    with open(os.path.join(out, name), "wb") as f:
        f.write(head + body + b"\0" * ((len(head) + len(body)) % 2) + directory + behind)
    expect(name, read(name) if want is None else want, levels)


def kind(bits, photometric, samples=1, **more):
    tags = {258: (3, [bits] * samples), 259: (3, [1]), 262: (3, [photometric]), 277: (3, [samples]), 278: (4, [H])}
    return tags | {int(k[1:]): v for k, v in more.items()}


def packed(a, bits):
    """Samples of fewer than 8 bits, each row from a new byte."""
    data = b""
    for row in a.reshape(H, -1):
        text = "".join(format(int(v), f"0{bits}b") for v in row)
        text += "0" * (-len(text) % 8)
        data += int(text, 2).to_bytes(len(text) // 8, "big")
    return data


def tiles(a, side):
    full = np.zeros((-(-H // side) * side, -(-W // side) * side) + a.shape[2:], a.dtype)
    full[:H, :W] = a
    return [full[i:i + side, k:k + side].tobytes() for i in range(0, full.shape[0], side) for k in range(0, full.shape[1], side)]


def in_all(v): return np.repeat(v[:, :, None], 3, axis=2)


picture = Image.fromarray(rgb)
for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd", "lzma"):
    pillow(f"rgb_{compression}.tif", picture, compression=compression)
pillow("rgb_predictor.tif", picture, compression="tiff_lzw", tiffinfo={317: 2})
pillow("rgb_strips.tif", picture, compression="tiff_adobe_deflate", tiffinfo={278: 4})
pillow("ycbcr_jpeg.tif", picture, compression="jpeg", quality=90)
pillow("grey_jpeg.tif", Image.fromarray(grey), compression="jpeg", quality=90)
pillow("grey.tif", Image.fromarray(grey))
pillow("grey_fax.tif", Image.fromarray(grey > 100), compression="group4")
pillow("grey_alpha.tif", Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)]))
pillow("alpha.tif", Image.fromarray(np.dstack([rgb, alpha])), compression="tiff_lzw")
pillow("palette.tif", picture.quantize(32), compression="tiff_lzw")
pillow("ink.tif", Image.fromarray(ink, "CMYK"), compression="tiff_lzw")
pillow("big.tif", picture, big_tiff=True)
srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
pillow("profile.tif", picture, compression="tiff_lzw", icc_profile=srgb)
for o in range(2, 9):
    pillow(f"turned_{o}.tif", picture, compression="tiff_lzw", tiffinfo={274: o})
two = io.BytesIO()
picture.save(two, "TIFF", save_all=True, append_images=[Image.fromarray(255 - rgb)], compression="tiff_lzw")
with open(os.path.join(out, "pages.tif"), "wb") as f:
    f.write(two.getvalue())
expect("pages.tif", rgb, 0)

tiff("grey_1.tif", [packed(grey > 99, 1)], kind(1, 1))
tiff("grey_2.tif", [packed(grey >> 6, 2)], kind(2, 1))
tiff("grey_4.tif", [packed(grey >> 4, 4)], kind(4, 1))
tiff("grey_white.tif", [grey.tobytes()], kind(8, 0))
tiff("grey_white_1.tif", [packed(grey > 99, 1)], kind(1, 0))
tiff("grey_16.tif", [wide[:, :, 0].astype("<u2").tobytes()], kind(16, 1), want=in_all(grey))
tiff("grey_16_motorola.tif", [wide[:, :, 0].astype(">u2").tobytes()], kind(16, 1), order=">", want=in_all(grey))
tiff("rgb_16.tif", [wide.astype("<u2").tobytes()], kind(16, 2, 3))
tiff("rgb_16_motorola.tif", [wide.astype(">u2").tobytes()], kind(16, 2, 3), order=">")
tiff("alpha_16.tif", [np.dstack([wide, 257 * alpha.astype(np.uint16)]).astype("<u2").tobytes()], kind(16, 2, 4, t338=(3, [2])))
tiff("alpha_multiplied.tif", [np.dstack([(rgb * (alpha / 255.0)[:, :, None]).astype(np.uint8), alpha]).tobytes()],
     kind(8, 2, 4, t338=(3, [1])))
tiff("planes.tif", [rgb[:, :, c].tobytes() for c in range(3)], kind(8, 2, 3, t284=(3, [2])))
tiff("planes_strips.tif", [rgb[i:i + 5, :, c].tobytes() for c in range(3) for i in range(0, H, 5)],
     kind(8, 2, 3, t284=(3, [2]), t278=(4, [5])))
tiff("tiles.tif", tiles(rgb, 16), kind(8, 2, 3, t322=(4, [16]), t323=(4, [16])))
tiff("tiles_big.tif", tiles(grey, 16), kind(8, 1, t322=(4, [16]), t323=(4, [16])), order=">", big=True, want=in_all(grey))  # Pillow knows those of Intel only
tiff("palette_4.tif", [packed(index, 4)], kind(4, 3, t320=(3, [257 * p[c] for c in range(3) for p in ramp])))
tiff("ink_16.tif", [(257 * ink.astype(np.uint16)).astype("<u2").tobytes()], kind(16, 5, 4))
tiff("ycbcr.tif", [np.asarray(picture.convert("YCbCr")).tobytes()], kind(8, 6, 3, t530=(3, [1, 1])), levels=1)

pillow("exact.avif", picture, 2, quality=100, subsampling="4:4:4", speed=8)
pillow("usual.avif", picture, 2, quality=60, speed=8)
pillow("alpha.avif", Image.fromarray(np.dstack([rgb, alpha])), 2, quality=80, subsampling="4:4:4", speed=8)
pillow("multiplied.avif", Image.fromarray(np.dstack([rgb, 255 - alpha // 2])), 2, quality=90, subsampling="4:4:4", speed=8, alpha_premultiplied=True)
pillow("grey.avif", Image.fromarray(grey), 2, quality=80, subsampling="4:0:0", speed=8)
pillow("profile.avif", picture, 2, quality=80, icc_profile=srgb, speed=8)
pillow("pictures.avifs", picture, 2, format="AVIF", save_all=True, append_images=[Image.fromarray(255 - rgb)], quality=80, speed=8)
for o in range(2, 9):
    exif = Image.Exif()
    exif[274] = o
    pillow(f"turned_{o}.avif", picture, 2, quality=80, exif=exif, speed=8)

with open(os.path.join(out, "list.tsv"), "w") as f:
    f.write("file\tpixels\tlevels\n")
    for name, reference, levels, _ in rows:
        f.write(f"{name}\t{reference}\t{levels}\n")
