#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The evidence in one run: `make verify`, or

    python3 tools/verify.py [--quick] [--only NAME,...] [--fuzz MINUTES] [--peers ENV] [--build build] [--out verify.md]

Runs the tests and comparisons that stand for what effnet claims and writes a table: claim, figure, bound, pass or FAIL or not here
(with the reason), seconds. Exit status 1 when a claim fails, else 0. No rule is kept here: tests print their figures as
`figure: WHAT: VALUE (at most BOUND)` and scripts their tables; of many figures the row shows the one nearest to its bound.

--quick takes under five minutes: fewer kills, no peers, no libraries. --peers is what bench/peers/setup.sh made: with it the speed
ratios are measured, JPEGs held against Pillow, and the libraries themselves read what effnet writes. --fuzz spends MINUTES on the fuzz
targets together (clang). Python's standard library only.
"""
import argparse
import datetime
import json
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from collections import namedtuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIGURE = re.compile(r"^figure: (.*): (\S+) \(at most (\S+)\)$", re.M)
BUSY = 3  # load average above which a time is no measurement
# least peer and bound of docs/benchmarks.md, "asked"
RATIOS = {("b0", 1): 1.45, ("b0", 2): 1.3, ("lite0", 1): 1.3, ("lite0", 2): 1.25}
FORWARD = ["test_forward", "test_forward_shared", "test_comparators"]

Row = namedtuple("Row", "claim figure bound result seconds")


class NotHere(Exception):
    """What the machine lacks."""


class Bench:
    """What a check may use: programs, data, results of tests that ran before."""

    def __init__(self, a):
        self.a, self.build = a, os.path.abspath(a.build)
        self.shared = os.environ.get("EFFNET_SHARED") or os.path.join(ROOT, "..", "shared")
        self.cache = shell_line(f'me=verify root="{ROOT}"; . "$root/tools/lib.sh"; cache_dir')
        self.work = tempfile.mkdtemp(prefix="effnet-verify-")
        self.ran, self.rows = {}, []
        listed = subprocess.run(["ctest", "--test-dir", self.build, "--show-only=json-v1"], capture_output=True, text=True)
        try:
            self.known = {t["name"] for t in json.loads(listed.stdout)["tests"]}
        except (ValueError, KeyError):
            sys.exit(f"verify: {a.build}: no build with tests there; run make, or say --build")

    def effnet(self, *args):
        """The program's JSON."""
        return json.loads(must([os.path.join(self.build, "effnet"), *args, "--json", "--quiet"], self.work))

    def data(self, *path):
        found = os.path.join(self.shared, *path)
        if not os.path.exists(found):
            raise NotHere("no reference data (../shared, or EFFNET_SHARED)")
        return found

    def weights(self, name):
        path = os.path.join(self.cache, name + ".pth")
        if not os.path.exists(path):
            raise NotHere(f"no weights of {name} (sh tools/fetch_weights.sh {name})")
        return path

    def peers(self):
        if not self.a.peers:
            raise NotHere("needs --peers ENV (sh bench/peers/setup.sh ENV)")
        python = os.path.abspath(os.path.join(self.a.peers, "run", "bin", "python"))
        if not os.path.exists(python):
            raise NotHere(f"{self.a.peers}: no run/bin/python, which bench/peers/setup.sh makes")
        return python

    def python_with(self, *modules):
        """The peers' interpreter, or this one."""
        for python in ([self.peers()] if self.a.peers else []) + [sys.executable]:
            if subprocess.run([python, "-c", "import " + ",".join(modules)], capture_output=True).returncode == 0:
                return python
        raise NotHere(f"no {' and '.join(modules)} for Python")

    def idle(self):
        load = os.getloadavg()[0]
        if load > BUSY:
            raise NotHere(f"load average {load:.1f}: others are at work, a time is no measurement")

    def tests(self, names, env):
        """Status (run, fail, notrun) and output of each of the tests; what ran before is not run again."""
        key = tuple(sorted(env.items()))
        todo = [n for n in names if n in self.known and (n, key) not in self.ran]
        if todo:
            report = os.path.join(self.work, "ctest.xml")
            subprocess.run(["ctest", "--test-dir", self.build, "-R", f"^({'|'.join(todo)})$", "--parallel", str(os.cpu_count()),
                            "--output-junit", report, "--test-output-size-passed", "1000000", "--test-output-size-failed", "1000000"],
                           env={**os.environ, "EFFNET_CACHE": self.cache, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for case in xml.parse(report).getroot().iter("testcase"):
                said = case.findtext("system-out") or ""
                status = "fail" if said.startswith("Unable to find executable") else case.get("status")  # not built is no reason to skip
                self.ran[case.get("name"), key] = status, said
        return {n: self.ran[n, key] for n in names if (n, key) in self.ran}


def shell_line(script):
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def must(command, folder=ROOT, env=None, status=0):
    """stdout of a command that ends with the status; its last words otherwise."""
    r = subprocess.run([str(c) for c in command], cwd=folder, env={**os.environ, **(env or {})}, capture_output=True, text=True)
    if r.returncode != status:
        words = [line for line in (r.stderr + r.stdout).strip().split("\n") if line] or ["no message"]
        raise RuntimeError(f"{os.path.basename(str(command[0]))} {command[1]}: status {r.returncode}: {words[-1][:200]}")
    return r.stdout


# ------------------------------------------------------------------------------------------------------------- kinds of checks
# A check yields (claim or None for its own, figure, bound, whether it holds).

def nearest(output):
    """The figure that is nearest to its bound, or over it, and how many there are."""
    def part(found):
        value, bound = float(found[1]), float(found[2])
        return math.inf if not value <= bound else value / bound if bound else 0.0
    figures = FIGURE.findall(output)
    worst = max(figures, key=part, default=None)
    return worst, len(figures), worst is None or part(worst) <= 1


def tests(*names, only="", without="\0", claim=None, **env):
    """ctest's tests and the figures they print: those that contain `only` and not `without`."""
    def check(b):
        results = b.tests(names, env)
        ran = {n: out for n, (status, out) in results.items() if status != "notrun"}
        failed = [n for n, (status, _) in results.items() if status == "fail"]
        if not results:
            raise NotHere(f"this build has no {' '.join(names)}")
        if not ran:
            said = re.search(r"^SKIPPED: (.*)$", "".join(out for _, out in results.values()), re.M)
            raise NotHere(said[1] if said else "skipped by the test")
        lines = [line for out in ran.values() for line in out.split("\n") if only in line and without not in line]
        worst, n, holds = nearest("\n".join(lines))
        left = sorted(set(names) - set(ran))
        more = (f"; the worst of {n}" if n > 1 else "") + (f"; not here: {' '.join(left)}" if left else "")
        if failed:
            said = re.search(r"^(?:FAIL: |ERROR: |\[  ERROR   \] --- (?!\[)|(?=Unable to find))(.+)$", results[failed[0]][1], re.M)
            yield claim, f"{failed[0]} fails{': ' + said[1][:160] if said else ''}", "no test fails", False
        elif worst:
            yield claim, f"{worst[1]}: {worst[0]}{more}", f"<= {worst[2]}", holds
        else:
            yield claim, f"{len(ran)} tests pass{more}", "no test fails", True
    return check


def when_idle(check):
    """A check that has bounds on time: nothing is said of it while others are at work."""
    def waiting(b):
        b.idle()
        yield from check(b)
    return waiting


def levels(b):
    """golden logits, gradients and the kernels at every CPU level of the machine"""
    for level in ("ref", "avx2", "avx512", "neon"):
        said = b.effnet("bench", "b0@width=0.1,depth=0.1,resolution=32", "--min-time", "0", "--cpu", level)["cpu"]
        claim = f"golden logits and gradients, and the kernels, at CPU level {level}"
        if said != level:
            yield claim, f"this machine and build answer at {said}", "", None
            continue
        brief = {"EFFNET_TEST_BRIEF": "1"} if b.a.quick else {}
        yield from tests("test_forward", "test_comparators", "test_train_golden", "test_kernels", claim=claim, EFFNET_CPU=level, **brief)(b)


def accuracy(b):
    """top-1 of released weights as `effnet eval` says it, against PyTorch's on the same photographs"""
    pictures = b.data("data", "imagenet-samples", "labels.tsv")
    for name in ("lite0", "lite1", "lite2"):
        rows = [line.split() for line in open(b.data("golden", "lite", f"{name}_predictions_100.tsv")) if line[0] != "#"]
        theirs = sum(r[1] == r[2] for r in rows)
        r = b.effnet("eval", b.weights(name), pictures)
        low, high = (100 * x for x in r["interval"])
        yield (f"top-1 of released {name.capitalize()} on {r['n']} ImageNet photographs", f"{100 * r['top1']:.1f} % ({low:.1f} to {high:.1f})",
               f"PyTorch's {100 * theirs / len(rows):.1f} %", round(r["top1"] * r["n"]) == theirs)


def transfer(b):
    """The demonstration: synthetic sarees of nine classes."""
    b.weights("lite0")
    out = must(["sh", "tools/demo.sh"], env={"EFFNET_CACHE": b.cache})
    top1 = re.search(r"^  top-1 +(\S+)", out, re.M)
    images = re.search(r"^top-1 .*$", out, re.M)
    yield None, images[0] if images else f"top-1 {top1[1]} %", ">= 90 %", float(top1[1].rstrip("%")) >= 90


def export(b):
    """an export answers as the model: by effnet's own evaluator, and by ONNX Runtime where it is"""
    library = os.environ.get("EFFNET_ORT") or shell_line(f'find "{b.build}/onnxruntime" -name "libonnxruntime.so.*" 2> /dev/null | head -n 1')
    yield from tests("test_onnx", without="ONNX Runtime", claim="an exported ONNX file answers as the model does (effnet's evaluator)")(b)
    claim = "the same in ONNX Runtime"
    if library:
        yield from tests("test_onnx", only="ONNX Runtime", claim=claim, EFFNET_ORT=library)(b)
    else:
        yield claim, "no library (sh tools/fetch_onnxruntime.sh, or EFFNET_ORT)", "", None


def b0(b):
    path = os.path.join(b.work, "b0.effnet")
    if not os.path.exists(path):
        must([os.path.join(b.build, "effnet"), "convert", b.data("golden", "checkpoints", "b0_timm_tf.safetensors"), path,
              "--family", "timm_tf"])
    return path


def start(b):
    """From an empty process to the class of a JPEG, page cache warm: the median of 20."""
    b.idle()
    folder = b.data("data", "imagenet-samples")
    photo = os.path.join(folder, sorted(f for f in os.listdir(folder) if f.endswith(".JPEG"))[0])
    command, took = [os.path.join(b.build, "effnet"), "predict", b0(b), photo], []
    for _ in range(21):
        before = time.perf_counter()
        must(command)
        took.append(1e3 * (time.perf_counter() - before))
    took = sorted(took[1:])
    yield None, f"{took[10]:.1f} ms (least {took[0]:.1f})", "<= 60 ms", took[10] <= 60


def memory(b):
    """peak of a process that runs B0, and B7"""
    for network, least in (("b0", 91), ("b7", 727)):
        mb = b.effnet("bench", network, "--min-time", "0", "--threads", "1")["rss_mb"]
        yield f"peak memory of a process that runs {network.upper()}", f"{mb:.0f} MB", f"< {least} MB (the least peer)", mb < least


def jpeg(b):
    """bench/jpeg.py's row of effnet on the photographs."""
    python, folder = b.python_with("numpy", "PIL"), b.data("data", "imagenet-samples")
    b.idle()
    out = must([python, "bench/jpeg.py", folder, "--library", os.path.join(b.build, "libeffnet.so"), "--rounds", "5", "--large", "0"])
    cells = [c.strip() for c in re.search(r"^\| effnet \|.*$", out, re.M)[0].strip("|").split("|")]
    yield None, f"{cells[4]} times Pillow's images a second; levels apart (mean, largest): {cells[5]}", ">= 2, and 0", \
        float(cells[4].split()[0]) >= 2 and not any(float(x) for x in cells[5].split(","))


def speed(b):
    """bench/peers on B0 and Lite0: the fastest runtime whose answers agree."""
    python, out = b.peers(), os.path.join(b.work, "peers")
    b.idle()
    subprocess.run([python, "bench/peers/compare.py", "--env", b.a.peers, "--build", b.build, "--out", out, "--only", "b0,lite0",
                    "--peers", "onnxruntime,openvino,litert", "--rows", "latency", "--rounds", "5", "--seconds", "0.5"], cwd=ROOT, stdout=sys.stderr, check=True)
    lines = [line.rstrip("\n").split("\t") for line in open(os.path.join(out, "peers.tsv"))]
    rows = [dict(zip(lines[0], line)) for line in lines[1:]]
    for (network, threads), least in RATIOS.items():
        of = [r for r in rows if r["network"] == network and int(r["threads"]) == threads and not r["runtime"].startswith("effnet")]
        best = min(of, key=lambda r: float(r["ratio"]))
        yield (f"{network.capitalize()}, {threads} thread{'s'[:threads - 1]}: times as fast as the fastest of {', '.join(r['runtime'] for r in of)}",
               f"{best['ratio']} ({best['ratio_low']} to {best['ratio_high']} in {best['rounds']} rounds) against {best['runtime']}",
               f">= {least}", float(best["ratio"]) >= least)


def libraries(b):
    """timm and torchvision read what effnet exports; PyTorch in double precision takes the same training steps."""
    python = b.python_with("torch", "timm", "torchvision", "onnx", "onnxruntime", "safetensors")
    program = os.path.join(b.build, "effnet")
    out = must([python, "tools/check_export.py", "--program", program, "--most", "16", "tf_efficientnet_lite0", "efficientnet_b0", "mobilenetv2_100"])
    for line in out.strip().split("\n"):
        name, allowed, found = re.match(r"(.*?):.* allowed (\S+) of the logits' spread, found (.*?);", line).groups()
        yield f"exported {name} answers as the library does, in part of the logits' spread", found, f"<= {allowed}", True
    out = must([python, "tools/check_probe.py", "--program", os.path.join(b.build, "tools", "train_probe"), "--random", "3"])
    yield "training steps of networks of every kind are PyTorch's float64 ones", out.strip().split("\n")[-1], "none outside", True


def suite(b):
    """Everything ctest has but what is long."""
    names = sorted({t["name"] for t in json.loads(must(["ctest", "--test-dir", b.build, "--label-exclude", "long", "--show-only=json-v1"]))["tests"]})
    results = b.tests(names, {})
    failed = [n for n, (status, _) in results.items() if status == "fail"]
    skipped = [n for n, (status, _) in results.items() if status == "notrun"]
    yield None, f"{len(failed)} of {len(names)} fail{': ' + ' '.join(failed) if failed else ''}" + \
        (f"; skipped: {' '.join(skipped)}" if skipped else ""), "0", not failed


def fuzz(b):
    if not b.a.fuzz:
        raise NotHere("needs --fuzz MINUTES")
    if not shutil.which("clang"):
        raise NotHere("no clang (sh tools/setup.sh ci)")
    must(["cmake", "--preset", "fuzz"])
    must(["cmake", "--build", "build/fuzz", "--parallel", os.cpu_count()])
    targets = sorted(os.listdir(os.path.join(ROOT, "fuzz", "corpus")))
    each, runs, found = max(1, round(60 * b.a.fuzz / len(targets))), 0, []
    for target in targets:
        say(f"fuzz {target}, {each} s")
        folder = os.path.join(b.work, "fuzz-" + target)
        os.mkdir(folder)
        r = subprocess.run([os.path.join(ROOT, "build/fuzz/fuzz/fuzz_" + target), f"-max_total_time={each}", f"-artifact_prefix={folder}/",
                            folder, os.path.join(ROOT, "fuzz", "corpus", target)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                           errors="replace")
        done = re.search(r"^Done (\d+) runs", r.stderr, re.M)
        runs += int(done[1]) if done else 0
        if r.returncode:
            found.append(target)
            shutil.copytree(folder, os.path.join(os.path.dirname(os.path.abspath(b.a.out)), "verify-fuzz", target), dirs_exist_ok=True)
    yield None, f"{len(found)} targets with a fault{': ' + ' '.join(found) + ' (inputs in verify-fuzz/)' if found else ''}; {runs} runs of {len(targets)} targets", \
        "0", not found


def readme(b):
    """Every line of README's table of speed is one of docs/benchmarks.md; its accuracies are those measured above."""
    text, source = open(os.path.join(ROOT, "README.md")).read(), open(os.path.join(ROOT, "docs", "benchmarks.md")).read()
    said = {m[1]: m[2] for m in re.finditer(r"^\| released (Lite\d) \| (.*?) \|", text, re.M)}
    speeds = re.findall(r"^\| (.*?) \| (\S+ ms) \| (.*?) \| (\S+ ms) \| (\S+) \|$", text, re.M)
    wrong = [s[0] for s in speeds if not re.search(rf"^\| {re.escape(s[0])} \| {re.escape(s[1])}.*\| {re.escape(s[2])} \| {re.escape(s[3])}.*\| \**{re.escape(s[4])}\** \|",
                                                   source, re.M)]
    measured = [(r.claim.split()[3], r.figure) for r in b.rows if r.claim.startswith("top-1 of released")]
    wrong += [name for name, figure in measured if name in said and said[name] != figure]
    compared = len(speeds) + sum(name in said for name, _ in measured)
    yield None, f"{len(wrong)} of {compared} lines differ{': ' + ', '.join(wrong) if wrong else ''}", "0", compared > 0 and not wrong


# ------------------------------------------------------------------------------------------------------------------ the table

Check = namedtuple("Check", "name quick claim run")
CHECKS = [
    Check("counts", True, "parameters, buffers and multiply-adds are the reference's", tests("test_tables")),
    Check("golden", True, "logits and stages agree with PyTorch's float64", tests(*FORWARD, without="bits differ")),
    Check("released", True, "released Lite0 to 2: logits and classes of photographs are PyTorch's", tests("test_lite")),
    Check("pillow", True, "decoding and resizing are Pillow's to the bit, lossy AVIF within a level",
          tests("test_preprocess_golden", "test_worker_pictures", only="Pillow")),
    Check("tensorflow", True, "and TensorFlow's within what its table of weights costs", tests("test_preprocess_golden", only="TensorFlow")),
    Check("gradients", True, "slopes by finite differences are the gradients, every operator and level", tests("test_gradients", without="bits differ")),
    Check("training", True, "loss, gradients and ten steps of each optimiser are PyTorch's float64 ones",
          tests("test_train_golden", "test_train_golden_shared")),
    Check("threads", True, "the same bits at any number of threads", tests("test_forward", "test_gradients", only="bits differ")),
    Check("levels", True, "", levels),
    Check("accuracy", True, "", accuracy),
    Check("hostile", True, "bad checkpoints are refused, hostile pickles and workers do nothing",
          tests("test_checkpoints", "test_hostile", "test_pickle", "test_jail")),
    Check("bombs", True, "what expands is refused in bounded time and memory", when_idle(tests("test_zip_bombs", "test_bombs"))),
    Check("export", True, "", export),
    Check("kills", True, "killed with SIGKILL and taken up again, training ends with the same model",
          tests("run_resume_scratch", "run_resume_transfer")),
    Check("kills-store", True, "and a search and a study with the same results", tests("search_resume", "study_resume")),
    Check("start", True, "from an empty process to the class of a JPEG, B0", start),
    Check("memory", True, "", memory),
    Check("transfer", True, "top-1 of the demonstration's fine-tuned Lite0", transfer),
    Check("jpeg", True, "JPEG to tensor against Pillow", jpeg),
    Check("readme", True, "README's figures are those of docs/benchmarks.md and of this run", readme),
    Check("kills-many", False, "the same after 50 kills each", tests("run_resume_scratch_50", "run_resume_transfer_50")),
    Check("kills-store-many", False, "and after 12 and 20 kills of a search and a study", tests("search_resume_12", "study_resume_20")),
    Check("large", False, "golden logits at large sizes", tests("test_forward_large")),
    Check("suite", False, "the whole fast suite", suite),
    Check("speed", False, "times as fast as the fastest other runtime", speed),
    Check("libraries", False, "other libraries agree", libraries),
    Check("fuzz", False, "inputs that show a fault", fuzz),
]


def say(text):
    print(f"verify: {text}", file=sys.stderr, flush=True)


def run(check, b):
    """The rows of one check; a check that breaks is a FAIL that says how."""
    rows, before = [], time.perf_counter()

    def add(claim, figure, bound, result):
        nonlocal before
        now = time.perf_counter()
        rows.append(Row(claim or check.claim or check.name, figure, bound, result, now - before))
        before = now
        say(f"{result}: {rows[-1].claim}: {figure}")

    try:
        for claim, figure, bound, holds in check.run(b):
            add(claim, figure, bound, "not here" if holds is None else "pass" if holds else "FAIL")
    except NotHere as e:
        add(None, str(e), "", "not here")
    except Exception as e:  # noqa: BLE001: whatever it is, the others go on
        add(None, f"could not be checked: {e}", "", "FAIL")
    return rows


def cpu():
    try:
        names = [line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.machine()


def system():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()


def head(b, seconds):
    commit = shell_line(f'cd "{ROOT}" && [ -e .git ] && git describe --always --dirty 2> /dev/null || echo "none: no checkout"')
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    counts = {r: sum(row.result == r for row in b.rows) for r in ("pass", "FAIL", "not here")}
    return [
        "# What effnet claims, and what this machine says of it", "",
        f"{cpu()}, {len(os.sched_getaffinity(0))} CPUs, {memory:.0f} GiB, {system()}; load average {os.getloadavg()[0]:.1f} at the end.",
        f"{datetime.datetime.now():%Y-%m-%d %H:%M}, commit {commit}, `{' '.join(['python3', 'tools/verify.py', *sys.argv[1:]])}`.",
        f"{counts['pass']} pass, {counts['FAIL']} fail, {counts['not here']} are not here; {seconds:.0f} s.", "",
    ]


def table(rows):
    def cell(text):
        return text.replace("|", "\\|").replace("\n", " ")
    lines = ["| claim | figure | bound | result | s |", "|---|---|---|---|---:|"]
    for r in rows:
        lines.append(f"| {cell(r.claim)} | {cell(r.figure)} | {cell(r.bound)} | {'**FAIL**' if r.result == 'FAIL' else r.result} | {r.seconds:.1f} |")
    return lines


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog=__doc__.split("\n\n", 3)[3])
    p.add_argument("--quick", action="store_true", help="what takes under five minutes")
    p.add_argument("--only", help="checks, with commas")
    p.add_argument("--list", action="store_true", help="name the checks and run nothing")
    p.add_argument("--fuzz", type=float, metavar="MINUTES", help="time for all fuzz targets together")
    p.add_argument("--peers", metavar="ENV", help="what bench/peers/setup.sh made")
    p.add_argument("--build", default=os.path.join(ROOT, "build"))
    p.add_argument("--out", default="verify.md")
    a = p.parse_args()
    names = [c.name for c in CHECKS]
    only = a.only.split(",") if a.only else names
    for name in only:
        if name not in names:
            p.error(f"--only: expected some of {','.join(names)}, found {name}")
    chosen = [c for c in CHECKS if c.name in only and (c.quick or not a.quick or a.only or (c.name == "fuzz" and a.fuzz))]
    if a.list:
        for c in chosen:
            print(f"{c.name:16} {c.claim or (c.run.__doc__ or '').split(chr(10))[0]}")
        return 0
    b, before = Bench(a), time.perf_counter()
    try:
        for i, check in enumerate(chosen):
            say(f"[{i + 1}/{len(chosen)}] {check.name}")
            b.rows += run(check, b)
    finally:
        with open(a.out, "w") as f:
            f.write("\n".join(head(b, time.perf_counter() - before) + table(b.rows)) + "\n")
        shutil.rmtree(b.work, ignore_errors=True)
    say(f"the table is in {a.out}")
    return 1 if any(r.result == "FAIL" for r in b.rows) else 0


if __name__ == "__main__":
    sys.exit(main())
