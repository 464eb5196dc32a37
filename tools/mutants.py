#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do the tests notice when the code is wrong? Changes one place of a parser, an optimiser or code that saves, compiles that
one file, links it in front of the library into the tests that cover it, and runs these until one fails:

    python3 tools/mutants.py --build build --seed 1 --count 100

needs a build with its tests in --build. The sources are never touched: a mutant is compiled from a copy under
BUILD/mutants/, where results.tsv is written too. Which places are taken is decided by a hash of seed, file, line and change,
so that an edit elsewhere does not draw another sample. A mutant that compiles to the same code is none and is replaced by
the next. Killed: a test fails, crashes or does not end. Exit status 0, or 1 with --least PERCENT when fewer die.
A change of a line that releases something is judged with LeakSanitizer linked in, as the suite runs in CI.
What results.tsv has of an earlier run is taken from there: a run that was cut off goes on. Do not build in --build meanwhile.
Only Python's standard library is used."""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# file: tests that cover it, the quickest first. What a test is: a program of tests/, or "replay_X" with the seeds of X.
PICTURES = "test_image replay_{0} test_prepare test_bombs test_preprocess"
TENSORS = "test_checkpoints test_hostile"
MEMORY = "test_alloc_failure"  # fails every allocation once, which takes its time: only where a line may be short of memory
COVERS = {
    "parsers": {
        "src/formats/bundle.c": "test_bundle replay_bundle test_unwrap",
        "src/formats/bundle_index.c": "test_bundle replay_bundle",
        "src/formats/snappy.c": "test_bundle replay_bundle",
        "src/formats/checkpoint.c": "test_safetensors test_pytorch test_bundle replay_safetensors " + TENSORS,
        "src/formats/classes.c": "test_model test_modelfile replay_classes",
        "src/formats/dtype.c": "test_dtype test_safetensors " + TENSORS,
        "src/formats/import.c": "test_onnx_stream test_jail test_keras replay_import replay_graph " + TENSORS,
        "src/formats/modelfile.c": "test_modelfile replay_modelfile replay_model test_care test_model",
        "src/formats/onnx_read.c": "test_onnx test_onnx_stream replay_onnx replay_import",
        "src/formats/onnx_stream.c": "test_onnx_stream replay_graph test_onnx replay_import",
        "src/formats/pickle.c": "test_pickle replay_pickle test_pytorch replay_pytorch",
        "src/formats/pytorch.c": "test_pytorch test_pytorch_zip replay_pytorch test_zip_bombs " + TENSORS,
        "src/formats/pytorch_dict.c": "test_pytorch test_pickle replay_pytorch test_unwrap " + TENSORS,
        "src/formats/safetensors.c": "test_safetensors replay_safetensors replay_model test_modelfile " + TENSORS,
        "src/formats/unwrap.c": "test_unwrap test_bundle test_recognise " + TENSORS,
        "src/formats/recognise.c": "test_recognise test_names test_unwrap",
        "src/formats/measure.c": "test_recognise test_names test_unwrap",
        "src/formats/names.c": "test_names test_recognise test_bundle test_keras",
        "src/formats/weights.c": "test_modelfile test_recognise test_checkpoints replay_model",
        "src/image/decode.c": "test_image replay_jpeg replay_png replay_webp test_bombs test_worker_pictures",
        "src/image/exif.c": "test_exif replay_exif test_image",
        "src/image/icc.c": "test_icc replay_icc test_image",
        "src/image/jpeg.c": PICTURES.format("jpeg"),
        "src/image/jpeg_extra.c": "test_exif test_icc " + PICTURES.format("jpeg"),
        "src/image/png.c": PICTURES.format("png") + " test_icc",
        "src/image/webp.c": PICTURES.format("webp") + " test_icc",
        "src/image/pixel_stream.c": "replay_pixels test_worker_pictures replay_picture",
        "src/image/preprocess.c": "test_preprocess replay_preprocess replay_options test_prepare",
        "src/image/augment_spec.c": "test_augment replay_options test_recipe",
        "src/data/csv.c": "test_dataset replay_csv",
        "src/data/dataset_csv.c": "test_dataset replay_csv",
        "src/data/filelist.c": "test_filelist replay_filelist",
    },
    "optimisers": {
        "src/train/optim.c": "test_optim test_train_golden test_run",
        "src/train/schedule.c": "test_train_golden test_recipe test_run",
        "src/train/loss.c": "test_optim test_train_kernels test_train_golden",
        "src/train/mix.c": "test_mix test_train_golden test_run",
    },
    "saves": {
        "src/base/file.c": "test_base test_saves test_modelfile test_safetensors test_run",
        "src/train/state.c": "test_saves test_run test_train_golden replay_run",
        "src/train/run_files.c": "test_saves test_run replay_run",
        "src/data/dataset_save.c": "test_dataset test_saves",
        "src/search/supernet_state.c": "test_supernet replay_supernet",
        "src/formats/onnx.c": "test_onnx test_saves test_onnx_stream",
        "src/formats/onnx_wire.c": "test_onnx replay_onnx test_onnx_stream",
        "src/image/png_save.c": "test_image test_saves test_dataset test_report",
        "src/image/jpeg_save.c": "test_image test_synth test_report",
        "src/report/events.c": "test_events test_saves test_run",
    },
}
SHARE = {"parsers": 0.6, "optimisers": 0.2, "saves": 0.2}

# ------------------------------------------------------------------------------------------------- what can be changed

SWAPS = [  # binary operators stand between spaces, by .clang-format; unary ones and pointers do not
    (r" (<) ", " <= "), (r" (<=) ", " < "), (r" (>) ", " >= "), (r" (>=) ", " > "), (r" (==) ", " != "), (r" (!=) ", " == "),
    (r" (\+) ", " - "), (r" (-) ", " + "), (r" (\*) ", " / "), (r" (/) ", " * "), (r" (%) ", " * "),
    (r" (&&) ", " || "), (r" (\|\|) ", " && "), (r" (&) ", " | "), (r" (\|) ", " & "), (r" (<<) ", " >> "), (r" (>>) ", " << "),
    (r" (\+=) ", " -= "), (r" (-=) ", " += "), (r" (\*=) ", " = "), (r"(\+\+)", "--"), (r"(--)", "++"),
    (r"\b(true)\b", "false"), (r"\b(false)\b", "true"),
]
NUMBER = re.compile(r"(?<![\w.])(0x[0-9a-fA-F]+|\d+\.\d*(?:[eE][-+]?\d+)?|\d+)(?=[uUlLfF]*\b|\b)(?![\w.]*\w*[xX])")
STATEMENT = re.compile(r"^\s+(?:[a-zA-Z_][\w.\[\]()>*+ -]*?(?:->|\.|\[|\b)[^=;(){}]* ?[-+*/|&]?= .*|\*[a-z]\w* = .*|[a-z_]\w*\(.*\)|continue|"
                       r"[\w.>\[\]-]+(?:\+\+|--));$")
DECLARES = re.compile(r"^\s+(?:static |const |unsigned |struct |enum |double |float |int |size_t |uint\d+_t |int\d+_t |bool |char |long |"
                      r"void |eff_\w+ [*a-z]|json_t |FILE |[a-z]\w+ \*?\w+ = |[a-z]\w+ \*const |return|case|goto|break)")
RELEASES = re.compile(r"free\(|decref\(|destroy\w*\(|close\w*\(|abort\(|unmap\(")  # judged with LeakSanitizer, which CI's ASan phase has
ROOM = re.compile(r"\s*(?:static |const )*(?:unsigned )?\w+ \w+\[\d+\]")  # a buffer with a byte to spare is no fault


def masked(text):
    """The text with comments and the insides of strings blanked out, as long as it was."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m.group(0)) if m.group(0).startswith("/") else \
            m.group(0)[0] + "_" * (len(m.group(0)) - 2) + m.group(0)[-1]
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text, flags=re.S)


def closing(code, at):
    """Where the parenthesis that was opened before `at` closes; -1 when not in this line."""
    depth = 1
    for i in range(at, len(code)):
        depth += (code[i] == "(") - (code[i] == ")")
        if depth == 0:
            return i
    return -1


def places(path):
    """Every (line number, kind, old line, new line) of a file."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        text = f.read()
    found, depth = [], 0
    lines, plain = text.split("\n"), masked(text).split("\n")
    for n, (line, code) in enumerate(zip(lines, plain)):
        inside = depth > 0
        depth += code.count("{") - code.count("}")
        if not inside or code.lstrip().startswith("#") or re.match(r"\s*(assert|_Static_assert)\b", code):
            continue

        def put(kind, start, end, new, n=n, line=line):
            found.append((n + 1, kind, line, line[:start] + new + line[end:]))
        for pattern, new in SWAPS:
            for m in re.finditer(pattern, code):
                put("operator", m.start(), m.end(), new)
        for m in NUMBER.finditer(code):
            old = m.group(1)
            if re.match(r"0\d", old) or ROOM.match(code) and code[m.start(1) - 1] == "[":
                continue
            put("constant", m.start(1), m.end(1), hex(int(old, 16) + 1) if "x" in old else
                str(float(old) + 1) if not old.isdigit() else str(int(old) + 1))
        m = re.match(r"\s*(?:\} else |else )?if \(", code)
        end = closing(code, m.end()) if m else -1
        if end > 0:
            put("condition", m.end(), end, "(" + line[m.end():end] + ") && 0")
            put("condition", m.end(), end, "(" + line[m.end():end] + ") || 1")
        before = next((p.strip() for p in reversed(plain[:n]) if p.strip()), "{")
        if STATEMENT.match(code) and not DECLARES.match(code) and code.count("(") == code.count(")") and \
                re.search(r"([;{})]|else|:)$", before):
            put("statement", len(line) - len(line.lstrip()), len(line), ";")
    return found


def draw(seed, count):
    """Candidates of each group in the order of their hashes; at most one of a line counts."""
    ranked = {}
    for group, files in COVERS.items():
        rows, seen = [], {}
        for path in files:
            for n, kind, old, new in places(path):
                key = (path, old.strip(), new.strip())
                seen[key] = seen.get(key, 0) + 1  # the same line twice in a file
                rank = hashlib.sha256(f"{seed}|{path}|{old.strip()}|{new.strip()}|{seen[key]}".encode()).hexdigest()
                rows.append((rank, path, n, kind, old, new))
        rows.sort()
        taken, unique = set(), []
        for row in rows:
            if row[1:3] not in taken:
                taken.add(row[1:3])
                unique.append(row[1:])
        ranked[group] = unique
    want = {g: round(count * s) for g, s in SHARE.items()}
    want["parsers"] += count - sum(want.values())
    return ranked, want


# ------------------------------------------------------------------------------------------------ building and running


class Build:
    """Compile and link commands of a build tree, read from what CMake left there."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.work = os.path.join(self.folder, "mutants")
        os.makedirs(self.work, exist_ok=True)
        with open(os.path.join(self.folder, "compile_commands.json"), encoding="utf-8") as f:
            self.compile = {os.path.relpath(e["file"], ROOT): e for e in json.load(f) if "/src/CMakeFiles/effnet_objects.dir/" in
                            os.path.join(e["directory"], shlex.split(e["command"])[shlex.split(e["command"]).index("-o") + 1])}
        self.plain, self.links, self.passes, self.locks, self.lock, self.seeds = {}, {}, {}, {}, threading.Lock(), {}

    def object(self, path, text, out):
        """Compile `text` as if it stood in `path`; False when the compiler refuses."""
        entry = self.compile[path]
        copy = out[:-2] + ".c"
        with open(copy, "w", encoding="utf-8") as f:
            f.write(text)
        args = shlex.split(entry["command"])
        args[args.index("-o") + 1] = out
        args[args.index("-c") + 1] = copy
        args = [a for a in args if a != "-Werror"]
        args[1:1] = ["-iquote", os.path.dirname(os.path.join(ROOT, path))]
        # the name in assertions is that of the source, so that equal code is equal bytes
        args += ["-w", "-O1", "-g0", f"-fmacro-prefix-map={copy}={path}", f"-ffile-prefix-map={copy}={path}", "-frandom-seed=0"]
        return subprocess.run(args, cwd=entry["directory"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def original(self, path):
        """The bytes that the file itself compiles to."""
        with self.lock:
            if path not in self.plain:
                out = os.path.join(self.work, path.replace("/", "_")[:-2] + ".plain.o")
                with open(os.path.join(ROOT, path), encoding="utf-8") as f:
                    if not self.object(path, f.read(), out):
                        sys.exit(f"mutants: {path} does not compile as it is")
                self.plain[path] = code_of(out)
            return self.plain[path]

    def command_of(self, program):
        """The link command of a program, as a list, to be run in the build's root; Ninja tells it."""
        if program not in self.links:
            where = {"effnet-worker": ""}.get(program, "replay/" if program.startswith("replay_") else "tests/")
            text = subprocess.run(["ninja", "-t", "commands", "-s", where + program], cwd=self.folder, check=True,
                                  stdout=subprocess.PIPE, text=True).stdout
            self.links[program] = [a for a in shlex.split(text) if a not in (":", "&&")]
        return list(self.links[program])

    def link(self, program, extra, out, leaks=False):
        """Link a program of the build with the object `extra` in front."""
        args = self.command_of(program)
        args[args.index("-o") + 1] = out
        args[1:1] = ([extra] if extra else []) + (["-fsanitize=leak"] if leaks else [])
        r = subprocess.run(args, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if r.returncode != 0:
            sys.exit(f"mutants: {program} cannot be linked; is the build whole?\n{r.stdout[-2000:]}")

    def command(self, program, path):
        """The test's command with the program at `path`: as ctest has it for the seeds, alone otherwise."""
        if not self.seeds:
            tests = json.loads(subprocess.run(["ctest", "--show-only=json-v1", "-R", "^fuzz_replay_"], cwd=self.folder, check=True,
                                              stdout=subprocess.PIPE, text=True).stdout)["tests"]
            self.seeds = {os.path.basename(t["command"][0]): t["command"][1:] for t in tests}
        return [path] + self.seeds.get(program, [])

    def run(self, program, path, worker, leaks=False):
        """True when it passes within its time, which is that of the CPU: the machine may be busy."""
        def limits():
            os.setsid()
            if not leaks:  # whose allocator reserves terabytes
                resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 37, 1 << 37))  # tests make files with holes of 64 GiB
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            seconds = 300 if program == MEMORY else 30
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        environment = dict(os.environ)
        if worker:
            environment["EFFNET_WORKER"] = worker
        p = subprocess.Popen(self.command(program, path), cwd=self.work, env=environment, preexec_fn=limits,
                             stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(900):  # turns, not the clock; only what waits for ever comes to the end of them
            try:
                return p.wait(1) in (0, 77)
            except subprocess.TimeoutExpired:
                pass
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()
        return False

    def leaks_nothing(self, program):
        """Whether the unchanged test passes with LeakSanitizer: only then is a leak the change's."""
        with self.lock:
            lock = self.locks.setdefault(program, threading.Lock())
        with lock:
            key = program + " leaks"
            if key not in self.passes:
                path = os.path.join(self.work, program + ".leaks")
                self.link(program, None, path, leaks=True)
                self.passes[key] = self.run(program, path, None, leaks=True)
            return self.passes[key]

    def sound(self, program):
        """The unchanged test must pass."""
        with self.lock:
            lock = self.locks.setdefault(program, threading.Lock())
        with lock:
            if program not in self.passes:
                folder = "replay" if program.startswith("replay_") else "tests"
                self.passes[program] = self.run(program, os.path.join(self.folder, folder, program), None)
            if not self.passes[program]:
                raise SystemExit(f"mutants: {program} fails without any change")


def code_of(path):
    with open(path, "rb") as f:
        return f.read()


def judge(build, number, group, mutant, memory):
    """(result, by which test, seconds); result: killed, survived, none (same code or does not compile)."""
    path, n, _, _, new = mutant
    start = time.monotonic()
    stem = os.path.join(build.work, f"{group}{number}")
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        lines = f.read().split("\n")
    old, lines[n - 1] = lines[n - 1], new
    made = [stem + ".c", stem + ".o", stem + ".exe", stem + ".worker"]
    try:
        same = build.original(path)
        if not build.object(path, "\n".join(lines), stem + ".o") or code_of(stem + ".o") == same:
            return "none", "", time.monotonic() - start
        worker = None
        if path.startswith(("src/formats/", "src/image/", "src/base/")):
            worker = stem + ".worker"
            build.link("effnet-worker", stem + ".o", worker)
        short = re.search(r"memory|alloc|strdup|\(!\*?\w+\)", old)
        frees = RELEASES.search(old)
        for program in COVERS[group][path].split() + ([MEMORY] if memory and short else []):
            build.sound(program)
            leaks = frees is not None and build.leaks_nothing(program)
            build.link(program, stem + ".o", stem + ".exe", leaks)
            if not build.run(program, stem + ".exe", worker, leaks):
                return "killed", program, time.monotonic() - start
        return "survived", "", time.monotonic() - start
    finally:
        for m in made:
            if os.path.exists(m):
                os.remove(m)


HEAD = ["mutant", "file", "line", "kind", "before", "after", "result", "killed by", "seconds"]


def read_results(path):
    """Of an earlier run: what it said of each change."""
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f][1:]
    return {(r[1], r[4], r[5]): (r[6], r[7], float(r[8])) for r in rows if len(r) == len(HEAD)}


def show(mutant):
    path, n, kind, old, new = mutant
    return f"{path}:{n}: {kind}\n    - {old.strip()}\n    + {new.strip()}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", default="build")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--count", type=int, default=100)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--only", help="numbers of the sample, comma-separated: parsers3,saves10")
    p.add_argument("--least", type=float, default=0, help="per cent that must be killed")
    p.add_argument("--memory", action="store_true", help="also " + MEMORY + " where a line may be short of memory: minutes each")
    p.add_argument("--fresh", action="store_true", help="forget earlier results")
    p.add_argument("--list", action="store_true", help="show the sample (before equal code is sorted out) and stop")
    o = p.parse_args()
    ranked, want = draw(o.seed, o.count)
    if o.list:
        for group, mutants in ranked.items():
            for i, m in enumerate(mutants[:want[group]]):
                print(f"{group}{i} {show(m)}")
        print({g: len(m) for g, m in ranked.items()})
        return 0
    build = Build(o.build)
    only = set(o.only.split(",")) if o.only else None
    results, lock = [], threading.Lock()
    table = os.path.join(build.work, "results.tsv")
    known = {} if o.fresh or only else read_results(table)
    if not known and not only:
        with open(table, "w", encoding="utf-8") as f:
            f.write("\t".join(HEAD) + "\n")

    def group_queue(group):
        return iter(enumerate(ranked[group]))
    queues, left = {g: group_queue(g) for g in ranked}, dict(want)

    def work():
        while True:
            with lock:
                group = max((g for g in left if left[g] > 0), key=lambda g: left[g] / want[g], default=None)  # in step
                if group is None:
                    return
                left[group] -= 1
                number, mutant = next(queues[group], (None, None))
            if mutant is None:
                continue
            if only is not None and f"{group}{number}" not in only:
                continue
            key = (mutant[0], mutant[3].strip(), mutant[4].strip())
            result, by, seconds = known.get(key) or judge(build, number, group, mutant, o.memory)
            with lock:
                if key not in known:
                    with open(table, "a", encoding="utf-8") as f:
                        f.write("\t".join([f"{group}{number}", mutant[0], str(mutant[1]), mutant[2], *key[1:], result, by,
                                           f"{seconds:.1f}"]) + "\n")
                if result == "none":
                    if only is None:
                        left[group] += 1
                    continue
                results.append((f"{group}{number}", group, mutant, result, by, seconds))
                print(f"{len(results):3d} {group}{number} {result} {by} {seconds:.1f} s {show(mutant)}", flush=True)

    with concurrent.futures.ThreadPoolExecutor(o.jobs) as pool:
        for f in [pool.submit(work) for _ in range(o.jobs)]:
            f.result()
    for group in ranked:
        rows = [r for r in results if r[1] == group]
        print(f"{group}: {sum(r[3] == 'killed' for r in rows)} of {len(rows)} killed")
    killed = sum(r[3] == "killed" for r in results)
    print(f"seed {o.seed}: {killed} of {len(results)} killed; survivors:")
    for r in results:
        if r[3] == "survived":
            print(f"{r[0]} {show(r[2])}")
    return 1 if results and 100.0 * killed < o.least * len(results) else 0


if __name__ == "__main__":
    sys.exit(main())
