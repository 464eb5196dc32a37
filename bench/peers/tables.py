# SPDX-License-Identifier: Apache-2.0
"""Rounds in, tables out: peers.tsv with a line a runtime and case, peers.md with the same for people and the fastest peer on top."""
import datetime
import json
import os
import statistics

APART = 1e-3  # largest difference of a logit, over the logits' deviation, at which two runtimes are said to agree
UNITS = dict(memory="MB")  # else ms
COLUMNS = ("row", "network", "threads", "batch", "runtime", "version", "unit", "median", "least", "lowest_round", "highest_round", "rounds",
           "ratio", "ratio_low", "ratio_high", "ratio_ours_first", "ratio_ours_second", "images_per_s", "apart", "top1")


def read(path):
    records = []
    if os.path.exists(path):
        for line in open(path):
            try:
                records.append(json.loads(line))
            except ValueError:  # the line at which a run was cut off
                pass
    return records


def median(values):
    return statistics.median(values) if values else float("nan")


def rows_of(records, build):
    """A dict a runtime and case, in the order in which the cases were first measured."""
    mine = [r for r in records if r.get("build") == build]
    cases, checks = {}, {}
    for r in mine:
        if r["kind"] == "round":
            cases.setdefault(r["case"], []).append(r)
        elif r["kind"] == "check":
            checks.setdefault(r["case"], {}).update(r["results"])
    for case, rounds in cases.items():
        names = []
        for r in rounds:
            names += [n for n in r["results"] if n not in names]
        names.sort(key=lambda n: (not n.startswith("effnet"), n))
        for name in names:
            of = [r for r in rounds if name in r["results"] and "effnet" in r["results"]]
            values = [r["results"][name]["value"] for r in of]
            ratios = [r["results"][name]["value"] / r["results"]["effnet"]["value"] for r in of]
            ours_first = [r["order"].index("effnet") < r["order"].index(name) for r in of]
            check = checks.get(case, {}).get(name)
            yield dict(
                row=of[0]["row"], network=of[0]["model"], threads=of[0]["threads"], batch=of[0]["batch"], runtime=name,
                version=of[-1].get("versions", {}).get(name, ""), unit=UNITS.get(of[0]["row"], "ms"), median=median(values),
                least=min(r["results"][name]["least"] for r in of), lowest_round=min(values), highest_round=max(values), rounds=len(of),
                ratio=median(ratios), ratio_low=min(ratios), ratio_high=max(ratios),
                ratio_ours_first=median([x for x, first in zip(ratios, ours_first) if first]),
                ratio_ours_second=median([x for x, first in zip(ratios, ours_first) if not first]),
                images_per_s=1e3 * of[0]["batch"] / median(values) if of[0]["row"] in ("latency", "batch", "avx2", "features") else None,
                apart=check["apart"] if check else None, top1="%d/%d" % (check["top1"], check["images"]) if check else None)


def text(v):
    if v is None or v != v:
        return "-"
    return "%.4g" % v if isinstance(v, float) else str(v)


def agrees(row):
    """False only where the answers were compared and differ."""
    return row["apart"] is None or (row["apart"] < APART and len(set(row["top1"].split("/"))) == 1)


def cpu_name():
    name, flags = "unknown CPU", ""
    for line in open("/proc/cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            name = value.strip()
        elif key.strip() == "flags":
            flags = value.split()
            break
    levels = [x for x in ("avx2", "avx512f", "avx512_bf16", "amx_tile") if x in flags]
    return "%s (%s)" % (name, ", ".join(levels)) if levels else name


def markdown_table(head, lines):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(x) + " |" for x in lines] + [""]


def summary(rows):
    """The fastest peer of each case, by the median of the rounds' ratios, among those whose answers agree."""
    cases = {}
    for r in rows:
        cases.setdefault((r["row"], r["network"], r["threads"], r["batch"]), []).append(r)
    lines = []
    for (row, network, threads, batch), of in cases.items():
        peers = [r for r in of if not r["runtime"].startswith("effnet") and r["runtime"] != "none" and agrees(r)]
        ours = [r for r in of if r["runtime"] == "effnet"]
        if not peers or not ours:
            continue
        best = min(peers, key=lambda r: r["ratio"])
        lines.append([row, network, str(threads), str(batch), "%s %s" % (text(ours[0]["median"]), ours[0]["unit"]), best["runtime"],
                      text(best["median"]), "%.2f" % best["ratio"], "%.2f to %.2f" % (best["ratio_low"], best["ratio_high"]),
                      ", ".join("-" if x != x else "%.2f" % x for x in (best["ratio_ours_first"], best["ratio_ours_second"]))])
    head = ("row", "network", "threads", "batch", "effnet", "fastest peer", "its median", "peer / effnet", "in the rounds",
            "effnet before it, after it")
    return markdown_table(head, lines)


def details(rows):
    lines = []
    for r in rows:
        lines.append([r["row"], r["network"], str(r["threads"]), str(r["batch"]), ("%s %s" % (r["runtime"], r["version"])).strip(),
                      "%s %s" % (text(r["median"]), r["unit"]), text(r["least"]), "%s to %s" % (text(r["lowest_round"]), text(r["highest_round"])),
                      text(r["images_per_s"]), "%.2f" % r["ratio"], "%.2f to %.2f" % (r["ratio_low"], r["ratio_high"]),
                      text(r["apart"]), (r["top1"] or "-") + ("" if agrees(r) else " DIFFERS")])
    head = ("row", "network", "threads", "batch", "runtime", "median of rounds", "least", "rounds", "images/s", "/ effnet", "in the rounds",
            "logits apart", "same top-1")
    return markdown_table(head, lines)


def write(folder, records, build, command):
    rows = list(rows_of(records, build))
    with open(os.path.join(folder, "peers.tsv"), "w") as f:
        f.write("\t".join(COLUMNS) + "\n")
        for r in rows:
            f.write("\t".join(text(r[c]) for c in COLUMNS) + "\n")
    rounds = [r for r in records if r["kind"] == "round" and r.get("build") == build]
    out = {(r["case"], r["runtime"]): r["reason"] for r in records if r["kind"] == "out" and r.get("build") == build}
    lines = ["# effnet beside other runtimes", ""]
    lines += ["%s, %d CPUs; %s." % (cpu_name(), len(os.sched_getaffinity(0)), datetime.date.today().isoformat())]
    if rounds:
        load = [r["load"] for r in rounds]
        lines += ["%d rounds, %s to %s; load average %.1f to %.1f (the runs themselves make 1 to 2: above 3 others were at work and the figures "
                  "are no measurement)." % (len(rounds), rounds[0]["when"], rounds[-1]["when"], min(load), max(load))]
    lines += ["Library and program %s. Written by `%s`." % (build, " ".join([os.path.basename(command[0])] + command[1:])), "",
              "Ratios are of the medians of the same round, theirs over ours: above 1 effnet is faster, or smaller. Apart: the largest "
              "difference of a logit over the logits' deviation.", ""]
    lines += ["## The fastest peer", ""] + summary(rows) + ["## All", ""] + details(rows)
    if out:
        lines += ["## Left out", ""] + ["- %s, %s: %s" % (case, name, why) for (case, name), why in sorted(out.items())] + [""]
    with open(os.path.join(folder, "peers.md"), "w") as f:
        f.write("\n".join(lines))
