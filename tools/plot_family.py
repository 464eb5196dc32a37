#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws docs/images/family.svg: what the family costs (counted by effnet) against the accuracy its paper prints.

    python3 tools/plot_family.py build/effnet docs/images/family.svg
"""
import json
import math
import subprocess
import sys

# ImageNet top-1 as published: Tan & Le, arXiv 1905.11946v5, Table 2 (EfficientNets and the networks they were compared with)
TOP1 = [77.1, 79.1, 80.1, 81.6, 82.9, 83.6, 84.0, 84.3]
OTHERS = [("ResNet-50", "resnet50", 76.0), ("ResNet-152", "resnet152", 77.8)]
BLUE, ORANGE, GREY, INK = "#0072b2", "#d55e00", "#d9d9d9", "#222222"
W, H, L, R, T, B = 760, 430, 70, 30, 50, 62


def info(program, model):
    return json.loads(subprocess.run([program, "info", model, "--json"], check=True, capture_output=True, text=True).stdout)


def main(program, out):
    family = [("B%d" % i, info(program, "b%d" % i), t) for i, t in enumerate(TOP1)]
    others = [(n, info(program, m), t) for n, m, t in OTHERS]
    x = lambda macs: L + (math.log10(macs / 1e9) + 0.6) / 2.4 * (W - L - R)
    y = lambda top1: T + (85.5 - top1) / 11 * (H - T - B)
    s = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="13" fill="%s">' % (W, H, INK),
         '<rect width="%d" height="%d" fill="white"/>' % (W, H),
         '<text x="%d" y="28" font-size="16">Accuracy against cost: multiply-adds as effnet counts them, top-1 as published</text>' % L]
    for g in (0.3, 1, 3, 10, 30):
        s.append('<path d="M%.1f %d V%d" stroke="%s"/><text x="%.1f" y="%d" text-anchor="middle">%g</text>' % (x(g * 1e9), T, H - B, GREY, x(g * 1e9), H - B + 18, g))
    for a in range(76, 86, 2):
        s.append('<path d="M%d %.1f H%d" stroke="%s"/><text x="%d" y="%.1f" text-anchor="end">%d</text>' % (L, y(a), W - R, GREY, L - 8, y(a) + 4, a))
    s.append('<text x="%.1f" y="%d" text-anchor="middle">multiply-adds for one image, billions (log scale)</text>' % ((L + W - R) / 2, H - 18))
    s.append('<text transform="translate(22 %.1f) rotate(-90)" text-anchor="middle">ImageNet top-1, %%</text>' % ((T + H - B) / 2))
    s.append('<polyline fill="none" stroke="%s" stroke-width="2.5" points="%s"/>' % (BLUE, " ".join("%.1f,%.1f" % (x(i["macs"]), y(t)) for _, i, t in family)))
    for n, i, t in family:
        s.append('<circle cx="%.1f" cy="%.1f" r="5" fill="%s"/>' % (x(i["macs"]), y(t), BLUE))
        above = n in ("B5", "B7")
        s.append('<text x="%.1f" y="%.1f"%s>%s · %d px · %.1f M</text>' % (x(i["macs"]) + (6 if above else 8), y(t) + (-10 if above else 17), ' text-anchor="end"' if above else "", n, i["resolution"], i["params"] / 1e6))
    for n, i, t in others:
        s.append('<rect x="%.1f" y="%.1f" width="10" height="10" fill="%s"/>' % (x(i["macs"]) - 5, y(t) - 5, ORANGE))
        s.append('<text x="%.1f" y="%.1f">%s · %.1f M</text>' % (x(i["macs"]) + 9, y(t) + 4, n, i["params"] / 1e6))
    s.append('<text x="%d" y="%d" fill="%s">EfficientNet-B0 to B7: name · input · parameters</text>' % (L + 12, T + 18, BLUE))
    s.append("</svg>")
    with open(out, "w", encoding="utf-8") as f:
        f.write("\n".join(s) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
