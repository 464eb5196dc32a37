#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Has TensorBoard's own reader read event files: `python3 tools/check_events.py [BUILD|RUN_FOLDER]` (default: build).

Of a build, what tests/tool_events writes is compared, value by value, with what it says it wrote. Of any other folder the figures
found in its event files are listed. Status 77 where the Python package tensorboard is missing."""
import math
import os
import subprocess
import sys
import tempfile

try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError:
    print("check_events: the Python package tensorboard is not installed", file=sys.stderr)
    sys.exit(77)


def scalars(folder):
    """{(tag, step): value} and the order of steps of each tag."""
    reader = EventAccumulator(folder, size_guidance={"scalars": 0, "tensors": 0})
    reader.Reload()
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def check(tool):
    with tempfile.TemporaryDirectory() as folder:
        said = subprocess.run([tool, folder], check=True, capture_output=True, text=True).stdout
        want = {}
        for line in said.splitlines():
            tag, step, value = line.rsplit(" ", 2)
            want.setdefault(tag, []).append((int(step), float(value)))
        got = scalars(folder)
        files = len(os.listdir(folder))
    if not want or sorted(got) != sorted(want):
        sys.exit(f"check_events: tags: wrote {sorted(want)}, TensorBoard found {sorted(got)}")
    for tag, rows in want.items():
        if len(got[tag]) != len(rows):
            sys.exit(f"check_events: {tag}: wrote {len(rows)} values, TensorBoard found {len(got[tag])}")
        for (step, value), (step_read, value_read) in zip(rows, got[tag]):
            both_nan = math.isnan(value) and math.isnan(value_read)
            same = both_nan or math.isclose(value, value_read, rel_tol=1e-8)
            if step != step_read or not same:
                sys.exit(f"check_events: {tag}: wrote {value} at {step}, TensorBoard found {value_read} at {step_read}")
    values = sum(map(len, want.values()))
    print(f"check_events: TensorBoard reads {values} values of {len(want)} tags in {files} files as they were written")


def main():
    where = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "build")
    tool = os.path.join(where, "tests", "tool_events")
    if os.path.exists(tool):
        check(tool)
        return
    found = scalars(where)
    if not found:
        sys.exit(f"check_events: {where}: no figures found")
    for tag, rows in sorted(found.items()):
        print(f"{tag}: {len(rows)} values, last {rows[-1][1]:.6g} at step {rows[-1][0]}")


main()
