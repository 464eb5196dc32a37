#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One runtime in a process of its own that works when told to: compare.py starts one a runtime, and only one at a time has a turn.

Argument: the spec of runtimes.py as JSON, with `input`, a .npy of float32 [n][h][w][3]. A line in, a JSON line out:
    go SECONDS   runs for so long (at least five), after some that are not counted -> runs, least, median, p90 in ms
    check FILE   the logits of all images, saved as .npy
    memory       peak of the process so far, and what it was before the runtime was imported, in MB
"""
import json
import os
import sys
import time


def peak_mb():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def go(runtime, seconds):
    least_runs, warm_runs = 5, 3
    warm_end = time.perf_counter() + min(0.5, seconds / 10)
    while warm_runs > 0 or time.perf_counter() < warm_end:
        runtime.run()
        warm_runs -= 1
    times, end = [], time.perf_counter() + seconds
    while len(times) < least_runs or time.perf_counter() < end:
        start = time.perf_counter()
        runtime.run()
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    n = len(times)
    median = times[n // 2] if n % 2 else (times[n // 2 - 1] + times[n // 2]) / 2
    return dict(runs=n, least=times[0], median=median, p90=times[int(0.9 * (n - 1))])


def check(runtime, x, batch, path):
    import numpy as np

    logits = []
    for first in range(0, len(x), batch):
        runtime.set_input(x[first : first + batch])
        answer = runtime.answer() if hasattr(runtime, "answer") else runtime.run()
        logits.append(np.array(answer, dtype=np.float32).reshape(batch, -1))
    runtime.set_input(x[:batch])
    np.save(path, np.concatenate(logits))
    return dict(ok=True)


def main():
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a runtime prints must not get between the answers

    def say(answer):
        out.write(json.dumps(answer) + "\n")
        out.flush()

    spec = json.loads(sys.argv[1])
    import numpy as np

    x = np.load(spec["input"])
    base = peak_mb()
    try:
        import runtimes

        start = time.perf_counter()
        runtime = runtimes.load(spec)
        runtime.set_input(x[: spec["batch"]])
        runtime.run()
        say(dict(version=runtime.version, level=getattr(runtime, "level", None), first_s=time.perf_counter() - start))
    except Exception as e:  # whatever it is, the comparison goes on without this runtime and says why
        say(dict(error="%s: %s" % (type(e).__name__, str(e).strip().split("\n")[0][:200])))
        return
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "go":
            say(go(runtime, float(rest)))
        elif word == "check":
            say(check(runtime, x, spec["batch"], rest))
        elif word == "memory":
            say(dict(peak=peak_mb(), base=base))


if __name__ == "__main__":
    main()
