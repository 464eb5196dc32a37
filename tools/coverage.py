#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lines and branches that the tests reach, as a table by folder: `make coverage`, or

    python3 tools/coverage.py [--build build/coverage] [--no-tests] [--files] [CTEST ARGUMENTS...]

builds the preset `coverage`, runs the fast suite in it and sums up what gcov says of every object. --files names every file, the least covered
branches first; --no-tests sums up what earlier runs have left. Branches are gcc's: every && and || is two, and so is what only
a failed allocation takes. An assertion that never fails would count as half a branch; lines with assert() are left out, since
it is our own faults they name, which no input reaches. What the kernels inline is counted once, not once a copy
(src/CMakeLists.txt). The worker runs without its filter here, which would keep it from leaving its counts: the test that it
ends without one fails, as it should; the test of the library's symbols, which gcov adds to, is left out. The table ends with
what was left out of it."""
import argparse
import json
import os
import re
import subprocess
import sys

from mutants import COVERS, ROOT


def run(*words):
    print("+ " + " ".join(words), file=sys.stderr)
    return subprocess.run(words, cwd=ROOT).returncode


def count(build):
    """Rows of src/ and cli/: lines and branches of every file, over all objects that it is compiled into."""
    notes = [os.path.join(d, f) for d, _, names in os.walk(build) for f in names if f.endswith(".gcno")]
    lines = {}  # file: line: [times, times each branch was taken]
    for at in range(0, len(notes), 40):
        out = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", *notes[at:at + 40]],
                             cwd=build, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        for text in out.splitlines():
            for file in json.loads(text)["files"]:
                name = os.path.relpath(os.path.join(build, file["file"]), ROOT)
                if name.split(os.sep)[0] not in ("src", "cli"):
                    continue
                of = lines.setdefault(name, {})
                for line in file["lines"]:
                    taken = [b["count"] for b in line["branches"]]
                    old = of.setdefault(line["line_number"], [0, []])
                    old[0] += line["count"]
                    if len(taken) > len(old[1]):
                        taken, old[1] = old[1], taken
                    for i, n in enumerate(taken):
                        old[1][i] += n
    rows, asserts = [], 0
    for name, of in lines.items():
        with open(os.path.join(ROOT, name), encoding="utf-8") as f:
            source = f.read().split("\n")
        kept = [v for n, v in of.items() if n <= len(source) and not re.search(r"\b(assert|_Static_assert)\(", source[n - 1])]
        branches = [n for v in kept for n in v[1]]
        asserts += len(of) - len(kept)
        rows.append({"filename": name, "line_total": len(kept), "line_covered": sum(v[0] > 0 for v in kept),
                     "branch_total": len(branches), "branch_covered": sum(n > 0 for n in branches)})
    return rows, asserts


def part(rows):
    lines, hit = sum(r["line_total"] for r in rows), sum(r["line_covered"] for r in rows)
    branches, taken = sum(r["branch_total"] for r in rows), sum(r["branch_covered"] for r in rows)
    return lines, 100 * hit / max(lines, 1), branches, 100 * taken / max(branches, 1)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build/coverage")
    p.add_argument("--no-tests", action="store_true")
    p.add_argument("--files", action="store_true")
    o, ctest = p.parse_known_args()
    jobs = str(os.cpu_count())
    if not o.no_tests:
        if run("cmake", "--preset", "coverage") or run("cmake", "--build", o.build, "--parallel", jobs):
            return 1
        if run("ctest", "--test-dir", o.build, "--label-exclude", "long|installed", "--exclude-regex", "^house_symbols$", "--parallel", jobs, "--timeout", "1200", *ctest):
            print("coverage: some tests failed; the table counts what ran", file=sys.stderr)
    files, asserts = count(os.path.join(ROOT, o.build))
    folders = {}
    for row in files:
        folders.setdefault(os.path.dirname(row["filename"]), []).append(row)
    print(f"{'':34}{'lines':>8}{'reached':>10}{'branches':>10}{'reached':>10}")

    def show(name, rows):
        print("%-34s%8d%9.1f %%%9d%9.1f %%" % ((name,) + part(rows)))
    for name in sorted(folders):
        show(name, folders[name])
    for group in ("parsers", "saves"):
        show(f"all {group}", [r for r in files if r["filename"] in COVERS[group]])
    show("everything", files)
    print(f"Left out: {asserts} lines with assert(). A kernel inlined into many places is counted once.")
    if o.files:
        for row in sorted(files, key=lambda r: part([r])[3]):
            show(row["filename"], [row])
    return 0


if __name__ == "__main__":
    sys.exit(main())
