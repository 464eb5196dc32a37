#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lines and branches that the tests reach, as a table by folder: `make coverage`, or

    python3 tools/coverage.py [--build build/coverage] [--no-tests] [--files] [CTEST ARGUMENTS...]

builds the preset `coverage`, runs the fast suite in it and sums up with gcovr. --files names every file, the least covered
branches first; --no-tests sums up what earlier runs have left. Branches are gcc's: every && and || is two, and so is what only
a failed allocation takes. An assertion that never fails would count as half a branch; lines with assert() are left out, since
it is our own faults they name, which no input reaches."""
import argparse
import json
import os
import subprocess
import sys

from mutants import COVERS, ROOT


def run(*words):
    print("+ " + " ".join(words), file=sys.stderr)
    return subprocess.run(words, cwd=ROOT).returncode


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
        if run("ctest", "--test-dir", o.build, "--label-exclude", "long|installed", "--parallel", jobs, "--timeout", "1200", *ctest):
            print("coverage: some tests failed; the table counts what ran", file=sys.stderr)
    summary = os.path.join(ROOT, o.build, "coverage.json")
    if run("gcovr", "--root", ".", "--object-directory", o.build, "--filter", "src/", "--filter", "cli/", "-j", jobs,
           "--exclude-lines-by-pattern", r".*\b(assert|_Static_assert)\(.*", "--exclude-unreachable-branches",
           "--gcov-ignore-parse-errors", "--json-summary", summary):
        return 1
    with open(summary, encoding="utf-8") as f:
        files = json.load(f)["files"]
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
    if o.files:
        for row in sorted(files, key=lambda r: part([r])[3]):
            show(row["filename"], [row])
    return 0


if __name__ == "__main__":
    sys.exit(main())
