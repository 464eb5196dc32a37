#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Inference with effnet and with other CPU runtimes, interleaved, on the same weights and the same images.

    sh bench/peers/setup.sh peers                  # environments, once
    peers/run/bin/python bench/peers/compare.py --env peers --only b0,lite0 --rows latency --rounds 5

Every runtime sits in a process of its own, all held to the same CPUs, and has a turn of --seconds when it is called; a round is
one turn of each, and every other round goes in the opposite order. Before the rounds all answer the same images, and how far each
is from effnet is kept. A round is saved when it is over: the same command goes on where it was stopped, and parts may be run
one by one. The tables (--out: peers.md, peers.tsv) are of all rounds that were measured with the library as it is now.
Rows: latency (batch 1, one and two threads), batch (B0, 8 and 32 images), avx2 (B0, those that can be held to it), memory (peak of the
process), start (empty process to the class of a JPEG), features (B0's frozen body, against PyTorch).
"""
import argparse
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import time

import prepare
import runtimes
import tables

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ROWS = ("latency", "batch", "avx2", "memory", "start", "features")
STARTS = 5      # processes of a turn in the row `start`
LOAD_LIMIT = 1800  # seconds that a runtime may take to load or compile
SETTLE = 0.2    # seconds between turns, in which workers of the last one stop spinning


class Case:
    """One comparison: what is measured, on what."""

    def __init__(self, row, model, threads, batch=1, level="native", names=runtimes.FASTEST):
        self.row, self.model, self.threads, self.batch, self.level = row, model, threads, batch, level
        self.names = list(names)
        self.key = "%s/%s/t%d/b%d" % (row, model, threads, batch)

    def title(self):
        return "%s %s, %d thread%s, batch %d" % (self.row, self.model, self.threads, "" if self.threads == 1 else "s", self.batch)


def all_cases(models, rows):
    cases = [Case("latency", m, t) for m in prepare.MODELS for t in (1, 2)]
    cases += [Case("batch", "b0", 2, n) for n in (8, 32)]
    cases += [Case("avx2", "b0", 1, level="avx2", names=runtimes.HELD)]
    cases += [Case("memory", m, 1, names=["effnet", "effnet-program"] + [r for r in runtimes.FASTEST if r != "effnet"])
              for m in ("b0", "b7")]
    cases += [Case("start", "b0", 2, names=["effnet"] + ["none"] + [r for r in runtimes.FASTEST if r not in ("effnet", "torch-compile")])]
    cases += [Case("features", "b0", 2, 32, names=("effnet", "torch-eager", "torch", "torch-compile"))]
    return [c for c in cases if c.model in models and c.row in rows]


class Bench:
    def __init__(self, a):
        self.a = a
        self.work = os.path.abspath(a.work or os.path.join(a.env, "work"))
        self.library = os.path.abspath(os.path.join(a.build, "libeffnet.so"))
        self.program = os.path.abspath(os.path.join(a.build, "effnet"))
        for path in (self.library, self.program):
            if not os.path.exists(path):
                sys.exit("compare: %s: not there; build effnet, or say --build" % path)
        self.hash = self.hash_now()
        self.cpus = sorted(os.sched_getaffinity(0))
        os.makedirs(a.out, exist_ok=True)
        os.makedirs(self.work, exist_ok=True)
        self.log = os.path.join(a.out, "rounds.jsonl")
        self.records = tables.read(self.log)

    def hash_now(self):
        return hashlib.sha256(open(self.library, "rb").read() + open(self.program, "rb").read()).hexdigest()[:12]

    # ------------------------------------------------------------------------------------------ records

    def keep(self, **record):
        record["build"] = self.hash
        self.records.append(record)
        with open(self.log, "a") as f:
            f.write(json.dumps(record) + "\n")

    def done(self, case):
        return sum(r["kind"] == "round" and r["case"] == case.key and r["build"] == self.hash and r["seconds"] == self.a.seconds
                   for r in self.records)

    # ----------------------------------------------------------------------------------- what is needed

    def python(self, environment):
        return os.path.join(os.path.abspath(self.a.env), environment, "bin", "python")

    def folder(self, model):
        return os.path.join(self.work, model)

    def file_of(self, kind, model):
        """Make what is missing; None, and the reason kept, where that fails."""
        name, _, of, environment = prepare.KINDS[kind]
        folder = self.folder(model)
        path, failed = os.path.join(folder, name), os.path.join(folder, name + ".failed")
        if os.path.exists(path):
            return path
        if os.path.exists(failed):
            return None
        if of and not self.file_of(of, model):
            return None
        os.makedirs(folder, exist_ok=True)
        say("making %s of %s" % (kind, model))
        r = subprocess.run([self.python(environment), os.path.join(HERE, "prepare.py"), kind, model, folder],
                           capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if r.returncode == 0 and os.path.exists(path):
            return path
        lines = [x for x in (r.stderr or r.stdout).strip().split("\n") if x.strip()] or ["no message"]
        with open(failed, "w") as f:  # remove it to try again
            f.write("converting failed: %s\n" % lines[-1].strip()[:200])
        return None

    def reason(self, kind, model):
        while kind:
            name, _, of, _ = prepare.KINDS[kind]
            failed = os.path.join(self.folder(model), name + ".failed")
            if os.path.exists(failed):
                return open(failed).read().strip()
            kind = of
        return "not converted"

    def our_model(self, model):
        path = os.path.join(self.folder(model), "model.effnet")
        if not os.path.exists(path):
            subprocess.run([self.program, "convert", os.path.join(self.folder(model), prepare.WEIGHTS), path, "--family",
                            prepare.MODELS[model][0]], check=True, stdout=subprocess.DEVNULL)
        return path

    def images(self, model, n):
        """float32 [n][side][side][3] as .npy: photographs of --images, or pictures made by formula."""
        import numpy as np

        side = prepare.MODELS[model][2]
        source = os.path.basename(os.path.abspath(self.a.images)) if self.a.images else "made"
        path = os.path.join(self.work, "images-%s-%d-%d.npy" % (source, side, n))
        if not os.path.exists(path):
            import start

            files = sorted(os.path.join(self.a.images, f) for f in os.listdir(self.a.images)) if self.a.images else []
            files = [f for f in files if f.lower().endswith((".jpg", ".jpeg", ".png"))]
            if self.a.images and not files:
                sys.exit("compare: %s: no .jpg or .png in it" % self.a.images)
            x = [start.prepared(files[i % len(files)], side)[0] if files else prepare.made_picture(side, side, i) for i in range(n)]
            np.save(path, np.stack(x).astype(np.float32))
        return path

    def photo(self):
        if self.a.photo:
            return os.path.abspath(self.a.photo)
        path = os.path.join(self.work, "photo.jpg")
        if not os.path.exists(path):
            import numpy as np
            from PIL import Image

            x = prepare.made_picture(375, 500, 0) * 55 + 118
            Image.fromarray(np.clip(x, 0, 255).astype(np.uint8)).save(path, quality=90)
        return path

    # ------------------------------------------------------------------------------------------ running

    def environment(self, case):
        e = dict(os.environ, CUDA_VISIBLE_DEVICES="", TF_CPP_MIN_LOG_LEVEL="3", **runtimes.LEVELS[case.level])
        for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            e[key] = str(case.threads)
        return e

    def pin(self, case):
        cpus = self.cpus[-case.threads:]
        return lambda: os.sched_setaffinity(0, cpus)

    def usable(self, case):
        """Runtimes that have their file, and why the others have not."""
        names, out = [], {}
        if not self.file_of("weights", case.model):
            sys.exit("compare: weights of %s: %s" % (case.model, self.reason("weights", case.model)))
        self.our_model(case.model)
        for name in case.names:
            if self.a.peers and name not in self.a.peers and not name.startswith("effnet") and name != "none":
                continue
            kind = runtimes.ALL[name][1] if name in runtimes.ALL else "weights"
            if self.file_of(kind, case.model):
                names.append(name)
            else:
                out[name] = self.reason(kind, case.model)
        return names, out

    def spec(self, case, name):
        many = max(case.batch, 4)
        return dict(runtime=name, model=case.model, folder=self.folder(case.model), library=self.library, threads=case.threads,
                    batch=case.batch, level=case.level, features=case.row == "features",
                    input=self.images(case.model, many // case.batch * case.batch))

    def run(self, cases):
        todo = {c.key: max(0, self.a.rounds - self.done(c)) for c in cases}
        cost = {c.key: len(c.names) * (1.15 * self.a.seconds + SETTLE + (3 if c.row in ("memory", "start") else 0.2)) for c in cases}
        bad = False
        for i, case in enumerate(cases):
            if not todo[case.key]:
                say("[%d/%d] %s: its %d rounds are there" % (i + 1, len(cases), case.title(), self.a.rounds))
                continue
            names, out = self.usable(case)
            turns = TURNS[case.row](self, case, names, out)
            try:
                first = self.done(case)
                for name, reason in out.items():
                    self.keep(kind="out", case=case.key, runtime=name, reason=reason)
                    say("%s left out: %s" % (name, reason))
                bad |= turns.differ
                while todo[case.key]:
                    n = self.a.rounds - todo[case.key]
                    left = sum(todo[c.key] * cost[c.key] for c in cases)
                    say("[%d/%d] %s: round %d of %d, about %s to go" % (i + 1, len(cases), case.title(), n + 1, self.a.rounds, span(left)))
                    start = time.time()
                    order = turns.names if (first + n) % 2 == 0 else turns.names[::-1]
                    results = {}
                    for name in order:
                        time.sleep(SETTLE)
                        try:
                            results[name] = turns.turn(name)
                        except RuntimeError as e:
                            if name == "effnet":
                                sys.exit("compare: effnet: %s" % e)
                            say("%s left out from here on: %s" % (name, e))
                            self.keep(kind="out", case=case.key, runtime=name, reason=str(e))
                            turns.names.remove(name)
                    if self.hash_now() != self.hash:
                        sys.exit("compare: %s was built anew meanwhile; this round is not kept" % self.library)
                    self.keep(kind="round", case=case.key, row=case.row, model=case.model, threads=case.threads, batch=case.batch,
                              seconds=self.a.seconds, order=order, results=results, versions=turns.versions, load=os.getloadavg()[0],
                              when=time.strftime("%Y-%m-%d %H:%M", time.gmtime()))
                    todo[case.key] -= 1
                    cost[case.key] = time.time() - start
            finally:
                turns.close()
        return bad


class Workers:
    """Turns of workers that were loaded once and wait; their answers are compared before the first."""

    def __init__(self, bench, case, names, out):
        self.bench, self.case, self.process, self.versions, self.differ = bench, case, {}, {}, False
        try:
            for name in names:
                self.load(name, out)
            self.names = list(self.process)
            if "effnet" not in self.process:
                sys.exit("compare: effnet: %s" % out.get("effnet", "not there"))
            self.check()
        except BaseException:
            self.close()
            raise

    def load(self, name, out):
        say("loading %s" % name)
        p = self.process[name] = start_worker(self.bench, self.case, name)
        hello = ask(p, None, LOAD_LIMIT)
        if "error" in hello:
            out[name] = hello["error"]
            stop(self.process.pop(name))
        else:
            self.versions[name] = hello["version"] + (" " + hello["level"] if hello.get("level") else "")

    def check(self):
        import numpy as np

        logits = {}
        for name, p in self.process.items():
            path = os.path.join(self.bench.work, "logits-%s.npy" % name)
            r = ask(p, "check " + path, LOAD_LIMIT)
            if "error" in r:
                sys.exit("compare: %s: %s" % (name, r["error"]))
            logits[name] = np.load(path)
        ours = logits["effnet"]
        found = {}
        for name, theirs in logits.items():
            if name != "effnet":
                same = theirs.shape == ours.shape
                apart = float(np.abs(theirs - ours).max() / ours.std()) if same else float("inf")
                top1 = int((theirs.argmax(1) == ours.argmax(1)).sum()) if same else 0
                found[name] = dict(apart=apart, top1=top1, images=len(ours))
                if not apart < tables.APART or top1 < len(ours):
                    say("%s DIFFERS from effnet: by %.2g of the logits' deviation, top-1 equal on %d of %d" % (name, apart, top1, len(ours)))
                    self.differ = True
        self.bench.keep(kind="check", case=self.case.key, results=found)

    def turn(self, name):
        r = ask(self.process[name], "go %g" % self.bench.a.seconds, 60 + 100 * self.bench.a.seconds)
        if "error" in r:
            raise RuntimeError(r["error"])
        return dict(value=r["median"], least=r["least"], p90=r["p90"], runs=r["runs"])

    def close(self):
        for p in self.process.values():
            stop(p)


class Memory:
    """A new process a turn, whose peak is read after some runs; effnet also as its program."""

    def __init__(self, bench, case, names, out):
        self.bench, self.case, self.names, self.versions, self.differ = bench, case, [], {}, False
        for name in names:
            try:
                self.turn(name)
                self.names.append(name)
            except RuntimeError as e:
                out[name] = str(e)

    def turn(self, name):
        if name == "effnet-program":
            r = subprocess.run([self.bench.program, "bench", self.bench.our_model(self.case.model), "--json", "--min-time", "0.1",
                                "--threads", str(self.case.threads)], check=True, capture_output=True, text=True)
            mb = json.loads(r.stdout)["rss_mb"]
            return dict(value=mb, least=mb)
        p = start_worker(self.bench, self.case, name)
        try:
            hello = ask(p, None, LOAD_LIMIT)
            if "error" in hello:
                raise RuntimeError(hello["error"])
            self.versions[name] = hello["version"]
            ask(p, "go 0.1", LOAD_LIMIT)
            r = ask(p, "memory", 60)
            if "error" in r:
                raise RuntimeError(r["error"])
            return dict(value=r["peak"], least=r["peak"], base=r["base"])
        finally:
            stop(p)

    def close(self):
        pass


class Start:
    """New processes a turn: the time from starting one to its first line."""

    def __init__(self, bench, case, names, out):
        self.bench, self.case, self.names, self.versions, self.differ = bench, case, [], {}, False
        for name in names:
            try:
                self.once(name)  # also brings the files into the page cache
                self.names.append(name)
            except RuntimeError as e:
                out[name] = str(e)

    def once(self, name):
        b, c = self.bench, self.case
        if name == "effnet":
            command = [b.program, "predict", b.our_model(c.model), b.photo(), "--threads", str(c.threads)]
        else:
            command = [b.python("run"), os.path.join(HERE, "start.py"), name, c.model, b.folder(c.model), b.photo(), str(c.threads)]
        begin = time.perf_counter()
        p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                             env=b.environment(c), preexec_fn=b.pin(c))
        line = p.stdout.readline()
        took = (time.perf_counter() - begin) * 1e3
        _, err = p.communicate()
        if p.returncode or not line:
            raise RuntimeError((err.decode(errors="replace").strip().split("\n") or ["?"])[-1][:200])
        return took

    def turn(self, name):
        took = sorted(self.once(name) for _ in range(STARTS))
        return dict(value=took[STARTS // 2], least=took[0], runs=STARTS)

    def close(self):
        pass


TURNS = dict(latency=Workers, batch=Workers, avx2=Workers, features=Workers, memory=Memory, start=Start)


def say(text):
    print(text, file=sys.stderr, flush=True)


def span(seconds):
    return "%d s" % seconds if seconds < 90 else "%d min" % round(seconds / 60) if seconds < 5400 else "%.1f h" % (seconds / 3600)


def start_worker(bench, case, name):
    return subprocess.Popen([bench.python("run"), os.path.join(HERE, "worker.py"), json.dumps(bench.spec(case, name))],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1,
                            env=bench.environment(case), preexec_fn=bench.pin(case))


def ask(p, line, limit):
    """A worker's next answer, which it gives within `limit` seconds."""
    try:
        if line:
            p.stdin.write(line + "\n")
            p.stdin.flush()
        if select.select([p.stdout], [], [], limit)[0]:
            answer = p.stdout.readline()
            if answer:
                return json.loads(answer)
            return dict(error="the process ended with status %d" % p.wait())
        return dict(error="no answer in %g s" % limit)
    except BrokenPipeError:
        return dict(error="the process ended with status %d" % p.wait())


def stop(p):
    p.stdin.close()
    try:
        p.wait(5)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()
    p.stdout.close()


def chosen(text, known, what):
    names = text.split(",") if text else list(known)
    for name in names:
        if name not in known:
            sys.exit("compare: %s: expected some of %s, found %s" % (what, ",".join(known), name))
    return names


def on_term(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the tables are still written
    sys.exit(143)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--env", required=True, help="what setup.sh made")
    p.add_argument("--build", default=os.path.join(ROOT, "build"), help="folder with effnet and libeffnet.so [build]")
    p.add_argument("--out", default="peers-results", help="folder of rounds and tables [peers-results]")
    p.add_argument("--work", help="folder of converted networks [work, in --env]")
    p.add_argument("--only", help="networks: " + ",".join(prepare.MODELS))
    p.add_argument("--rows", help="rows: " + ",".join(ROWS))
    p.add_argument("--peers", help="runtimes: " + ",".join(runtimes.ALL))
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=1.5, help="of a turn")
    p.add_argument("--images", help="folder of photographs to answer, instead of made-up pictures")
    p.add_argument("--photo", help="the JPEG of the row `start`, instead of a made-up one")
    p.add_argument("--tables", action="store_true", help="write the tables of what is there, and measure nothing")
    a = p.parse_args()
    models, rows = chosen(a.only, prepare.MODELS, "--only"), chosen(a.rows, ROWS, "--rows")
    a.peers = chosen(a.peers, runtimes.ALL, "--peers") if a.peers else None
    bench = Bench(a)
    signal.signal(signal.SIGTERM, on_term)
    bad = False
    try:
        if not a.tables:
            bad = bench.run(all_cases(models, rows))
    except KeyboardInterrupt:
        say("stopped; the same command goes on from here")
        return 130
    finally:
        tables.write(a.out, bench.records, bench.hash, sys.argv)
    say("tables: %s" % os.path.join(a.out, "peers.md"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
