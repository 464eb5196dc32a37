#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Has the libraries themselves write what effnet reads:
`python3 tools/check_import.py [--env FOLDER | --here] [--program build/effnet] [--out TSV] [--most N] [--table] [NETWORK[/SOURCE]...]`.

Every network (b0 to b7, v2-s) is made by every source: timm with its own and with TensorFlow's rules, torchvision, Keras (which also gives
TensorFlow's checkpoint its values, in the names of the official code). It gets seeded random weights, biases and batch-norm statistics and
1000, 10 or no classes (then its pooled features count as logits), is saved in every form the library writes, in float32 and rounded to half and bfloat16, and answers PNG files of the
network's size. effnet reads each file, must name the network and its classes, and must answer as the library does in float64 on the same
weights, within max(1e-3 of the logits' spread, ten times what float32 costs the library itself), with the same most likely class wherever
its margin is wider than that.

The libraries are those of tools/check_import.txt, installed by pip into an environment under FOLDER (build/check_import), which is made
where it is missing; --here takes the interpreter that runs this, and ends with status 77 where a package is missing. Rows that are in TSV
already are not made again, so a run that was cut off goes on; each file is deleted once it was read. --table prints the TSV as the table
of docs/formats.md and ends."""
import argparse
import csv
import json
import os
import shutil
import sys
import tempfile
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = os.path.join(HERE, "check_import.txt")
COLUMNS = ["network", "source", "form", "type", "classes", "pictures", "pixels", "library", "allowed", "effnet", "read_as"]

# input size, and the most pictures
NETWORKS = {"b0": (224, 4), "b1": (240, 2), "b2": (260, 1), "b3": (300, 1), "b4": (380, 1), "b5": (456, 1), "b6": (528, 1), "b7": (600, 1),
            "v2-s": (300, 1)}
# what a source calls a network of the first kind, its V2-S, and what effnet has to be told
TORCH = {"timm": ("efficientnet_", "efficientnetv2_s", ["--family", "timm"]),
         "timm_tf": ("tf_efficientnet_", "tf_efficientnetv2_s", ["--family", "timm_tf"]),
         "torchvision": ("efficientnet_", "efficientnet_v2_s", [])}
# form, type and classes
PYTORCH_CASES = [(form, kind, classes) for kind, classes in (("f32", 1000), ("f32", 10), ("f32", 0), ("f16", 10), ("bf16", 10))
                 for form in ("safetensors", "pth")]
KERAS_CASES = [(form, "f32", classes) for classes in (1000, 10) for form in ("weights.h5", "h5", "legacy-weights.h5", "keras", "tf", "tf-ema")]
KERAS_CASES += [(form, "f32", 0) for form in ("weights.h5", "keras")]
SOURCES = {**{source: PYTORCH_CASES for source in TORCH}, "keras": KERAS_CASES}


class Results:
    """The rows of the TSV, by what they are of."""

    def __init__(self, path):
        self.path, self.rows = path, {}
        if os.path.exists(path):
            with open(path, newline="", encoding="utf-8") as f:
                for row in csv.DictReader(f, delimiter="\t"):
                    self.rows[self.key(row)] = row
        else:
            self.write(COLUMNS)

    @staticmethod
    def key(row):
        return row["network"], row["source"], row["form"], row["type"], int(row["classes"])

    def write(self, values):
        with open(self.path, "a", newline="", encoding="utf-8") as f:
            csv.writer(f, delimiter="\t", lineterminator="\n").writerow(values)

    def add(self, row):
        self.rows[self.key(row)] = row
        self.write([row[c] for c in COLUMNS])

    def missing(self, network, source):
        return [case for case in SOURCES[source] if (network, source, *case) not in self.rows]

    def print_table(self):
        """A line a network and source, each figure the worst of its forms."""
        print("| network | written by | files | pictures | the library's float32 | effnet | f16 | bf16 | body alone |")
        print("|---|---|---:|---|---:|---:|---:|---:|---:|")
        lines = {}
        for row in self.rows.values():
            lines.setdefault((row["network"], row["source"]), []).append(row)
        for (network, source), rows in lines.items():
            def worst(column, kind=None, body=False):
                found = [float(row[column]) for row in rows if kind in (None, row["type"]) and (kind is None or body == (row["classes"] == "0"))]
                return f"{max(found):.1e}" if found else ""
            print(f"| {network} | {source} | {len(rows)} | {min(int(row['pictures']) for row in rows)} of {rows[0]['pixels']} | {worst('library')} | "
                  f"{worst('effnet', 'f32')} | {worst('effnet', 'f16')} | {worst('effnet', 'bf16')} | {worst('effnet', 'f32', True)} |")


# --------------------------------------------------------------------------------------------- the libraries' networks

class Torch:
    """A network of timm or torchvision, its classifier apart: the body's features serve every number of classes."""

    def __init__(self, network, source, u8):
        import timm
        import torch
        import torchvision
        from libraries import normalised, randomise, rule
        self.torch, self.rule = torch, rule(u8.shape[1])
        first, v2_s, self.options = TORCH[source]
        name = v2_s if network == "v2-s" else first + network
        torch.manual_seed(zlib.crc32(f"{network} {source}".encode()))
        self.body = torchvision.models.get_model(name, weights=None) if source == "torchvision" else timm.create_model(name)
        self.x = torch.from_numpy(normalised(u8))
        randomise(self.body, self.x)
        self.head, self.body.classifier = self.body.classifier, torch.nn.Identity()
        self.exact = {k: v.clone() for k, v in self.body.state_dict().items()}
        self.kind = self.features = None

    def take(self, kind, classes):
        """The weights as they are or rounded; computed with in float32 and float64."""
        torch = self.torch
        dtype = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[kind]

        def rounded(state):
            return {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()}
        if kind != self.kind:
            self.state = rounded(self.exact)
            self.body.load_state_dict(self.state)
            self.kind, self.features = kind, None
        self.classes, self.head_state = classes, {}
        if classes:
            linear = self.head if isinstance(self.head, torch.nn.Linear) else self.head[1]
            linear.weight = torch.nn.Parameter(torch.randn(classes, linear.in_features) / linear.in_features ** 0.5)
            linear.bias = torch.nn.Parameter(torch.randn(classes) / 10)
            self.head_state = rounded(self.head.state_dict())
            self.head.load_state_dict(self.head_state)

    def answer(self):
        """Logits, or features where there is no classifier: what the library's float32 makes, and its float64."""
        with self.torch.no_grad():
            if self.features is None:
                self.features = self.body.float()(self.x), self.body.double()(self.x.double())
                self.body.float()
            single, double = self.features
            if self.classes:
                single, double = self.head.float().eval()(single), self.head.double()(double)
                self.head.float()
        return single.numpy(), double.numpy()

    def save(self, form, folder):
        path = os.path.join(folder, "model." + form)
        state = {**self.state, **{"classifier." + k: v for k, v in self.head_state.items()}}
        if form == "pth":
            self.torch.save(state, path)
        else:
            from safetensors.torch import save_file
            save_file(state, path)
        return path, self.rule


class Keras:
    """A network of Keras, and TensorFlow's checkpoint of the same values."""

    def __init__(self, network, source, u8):
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        import absl.logging
        import keras
        import numpy as np
        from libraries import rule
        absl.logging.set_verbosity("error")  # of HDF5, which is "legacy"
        self.keras, self.np, self.network, self.options = keras, np, network, []
        self.rule = rule(u8.shape[1], *([[128] * 3] * 2 if network == "v2-s" else []))
        self.x = u8.astype(np.float32)
        self.random = np.random.default_rng(zlib.crc32(f"{network} {source}".encode()))
        body = self.create(0)
        self.randomise(body)
        self.body = body.get_weights()
        self.single = np.asarray(body(self.x, training=False))
        body = self.create(0, "float64")
        self.give(body, self.body)
        self.double = np.asarray(body(self.x.astype(np.float64), training=False))

    def create(self, classes, floats="float32"):
        keras = self.keras
        name = "EfficientNetV2S" if self.network == "v2-s" else "EfficientNet" + self.network.upper()
        head = {"classes": classes} if classes else {"include_top": False, "pooling": "avg"}
        keras.backend.clear_session()
        keras.config.set_floatx(floats)
        keras.config.set_dtype_policy(floats)
        model = getattr(keras.applications, name)(weights=None, input_shape=self.x.shape[1:], **head)
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        return model

    def randomise(self, model):
        """As for PyTorch; Keras' moving statistics are those of the last batch where momentum is 0."""
        keras, np, random = self.keras, self.np, self.random
        keras.utils.set_random_seed(int(random.integers(1 << 31)))
        for layer in model.layers:
            if isinstance(layer, keras.layers.Normalization):
                layer.set_weights([np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225]) ** 2, np.int64(0)][:len(layer.weights)])
                layer.finalize_state()
            elif isinstance(layer, keras.layers.BatchNormalization):
                layer.gamma.assign(random.uniform(0.7, 1.3, layer.gamma.shape))
                layer.beta.assign(random.normal(1, 0.3, layer.beta.shape))
                layer.momentum = 0.0
            elif isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
            elif getattr(layer, "bias", None) is not None:
                layer.bias.assign(random.normal(0, 0.1, layer.bias.shape))
        model(self.x, training=True)

    def give(self, model, weights):
        model.set_weights(weights)
        for layer in model.layers:
            if isinstance(layer, self.keras.layers.Normalization):
                layer.finalize_state()  # which computes with what it was given before

    def take(self, kind, classes):
        features = self.single.shape[1]
        self.head = [self.random.normal(0, features ** -0.5, (features, classes)), self.random.normal(0, 0.1, classes)] if classes else []
        self.head = [v.astype(self.np.float32) for v in self.head]
        self.model = self.create(classes)
        self.give(self.model, self.body + self.head)

    def answer(self):
        """Logits of what is saved with the softmax that users have; or features."""
        def dense(x, floats):
            if not self.head:
                return x
            layer = self.keras.layers.Dense(len(self.head[1]), dtype=floats)
            layer.build(x.shape)
            layer.set_weights(self.head)
            return self.np.asarray(layer(x))
        return dense(self.single, "float32"), dense(self.double, "float64")

    def save(self, form, folder):
        path = os.path.join(folder, "model." + form)
        if form == "weights.h5":
            self.model.save_weights(path)
        elif form == "legacy-weights.h5":
            import h5py
            from keras.src.legacy.saving import legacy_h5_format
            with h5py.File(path, "w") as f:
                legacy_h5_format.save_weights_to_hdf5_group(f, self.model)
        elif form.startswith("tf"):
            prefix = os.path.join(folder, "bundle", "model.ckpt")
            os.makedirs(os.path.dirname(prefix))
            self.save_bundle(prefix, averages=form == "tf-ema")
            return prefix, self.rule
        else:
            self.model.save(path)
        size = f"squash={self.x.shape[1]},crop={self.x.shape[1]}"
        return path, ["--preprocess", size] if "weights" in form else []  # a whole model says how pictures are made ready

    def official_names(self):
        """The variables in the names of the official code, which counts blocks and, in each, layers of a kind."""
        scope = "efficientnetv2-s" if self.network == "v2-s" else "efficientnet-" + self.network
        leaves = {"BatchNormalization": ["gamma", "beta", "moving_mean", "moving_variance"], "DepthwiseConv2D": ["depthwise_kernel"]}
        kinds = {"BatchNormalization": "tpu_batch_normalization", "DepthwiseConv2D": "depthwise_conv2d", "Conv2D": "conv2d", "Dense": "dense"}
        blocks, counted = [], {}
        for layer in self.model.layers:
            kind, part = type(layer).__name__, layer.name.split("_")[0]
            if kind not in kinds:
                continue
            if part.startswith("block"):
                if part not in blocks:
                    blocks.append(part)
                place = f"blocks_{blocks.index(part)}" + ("/se" if "_se_" in layer.name else "")
            else:
                place = "stem" if part == "stem" else "head"
            base = f"{scope}/{place}/{kinds[kind]}"
            n = counted[base] = counted.get(base, -1) + 1
            for leaf, value in zip(leaves.get(kind, ["kernel", "bias"]), layer.get_weights()):
                yield f"{base}{f'_{n}' if n else ''}/{leaf}", value

    def save_bundle(self, prefix, averages):
        import tensorflow as tf
        np, names, values = self.np, ["global_step"], [tf.constant(218949, tf.int64)]
        for name, value in self.official_names():
            names.append(name)
            values.append(tf.constant(value * np.float32(0.5) if averages else value))  # what training left, which nobody uses
            if averages:
                names += [name + "/ExponentialMovingAverage", name + "/RMSProp"]
                values += [tf.constant(value), tf.constant(np.ones_like(value))]
        tf.raw_ops.SaveV2(prefix=prefix, tensor_names=names, shape_and_slices=[""] * len(names), tensors=values)


# ------------------------------------------------------------------------------------------------------------- comparing

def read(program, path, options, network, classes):
    """What effnet takes the file for."""
    from libraries import run
    said = json.loads(run(program, "info", path, "--json", *options))
    if said["name"] != "efficientnet-" + network or said["classes"] != classes:
        sys.exit(f"check_import: {path}: expected efficientnet-{network} of {classes} classes, effnet reads {said['name']} of {said['classes']}")
    return f"{said['format']} {said['family']}"


def check(program, network, source, missing, most, results):
    import numpy as np
    from libraries import effnet_logits, pictures
    size, usual = NETWORKS[network]
    with tempfile.TemporaryDirectory() as folder:
        paths, u8 = pictures(folder, None, size, min(most, usual))
        library = (Keras if source == "keras" else Torch)(network, source, u8)
        for kind, classes in dict.fromkeys((kind, classes) for _, kind, classes in missing):
            library.take(kind, classes)
            single, want = library.answer()
            own, spread = np.abs(single - want).max(), want.std()
            if own > 1e-3 * spread:
                sys.exit(f"check_import: {network} of {source}: no reference: float32 alone moves its logits by {own / spread:.1e} of their spread")
            allowed = max(1e-3 * spread, 10 * own)
            order = np.sort(want, axis=1)
            sure = order[:, -1] - order[:, -2] > 2 * allowed
            for form in [form for form, *case in missing if case == [kind, classes]]:
                place = os.path.join(folder, "files")
                os.makedirs(place)
                path, rule = library.save(form, place)
                read_as = read(program, path, library.options, network, classes)
                got = effnet_logits(program, path, paths, *library.options, *rule)
                shutil.rmtree(place)
                worst, same = np.abs(got - want).max(), got.argmax(axis=1) == want.argmax(axis=1)
                row = {"network": network, "source": source, "form": form, "type": kind, "classes": classes, "pictures": len(paths),
                       "pixels": size, "library": f"{own / spread:.3g}", "allowed": f"{allowed / spread:.3g}",
                       "effnet": f"{worst / spread:.3g}", "read_as": read_as}
                print("  ".join(str(v) for v in row.values()), flush=True)
                if not worst <= allowed or not same[sure].all():
                    sys.exit(f"check_import: {network} of {source} as .{form}: effnet answers differently: max |dlogit| {worst:.2e}, allowed "
                             f"{allowed:.2e}; top-1 equal on {same[sure].sum()} of {sure.sum()} with a margin")
                results.add(row)


# ----------------------------------------------------------------------------------------------------------- environment

def enter_environment(folder):
    """Goes on in an environment with the packages, which is made where it is not there in whole."""
    import subprocess
    import venv
    python, done = os.path.join(folder, "bin", "python"), os.path.join(folder, "installed.txt")
    with open(PACKAGES, encoding="utf-8") as f:
        wanted = f.read()
    if not os.path.exists(done) or open(done, encoding="utf-8").read() != wanted:
        print(f"check_import: installing {wanted.count('==')} packages with theirs into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", PACKAGES], check=True)
        with open(done, "w", encoding="utf-8") as f:
            f.write(wanted)
    os.execv(python, [python, os.path.abspath(__file__), "--here", *sys.argv[1:]])


def need_packages():
    from importlib.util import find_spec
    for package in ("numpy", "PIL", "torch", "torchvision", "timm", "safetensors", "h5py", "keras", "tensorflow"):
        if not find_spec(package):
            print(f"check_import: the Python package {package} is not installed", file=sys.stderr)
            sys.exit(77)


def wanted(arguments):
    for argument in arguments or NETWORKS:
        network, _, source = argument.partition("/")
        if network not in NETWORKS or (source and source not in SOURCES):
            sys.exit(f"check_import: {argument}: expected one of {' '.join(NETWORKS)}, alone or with one of /{' /'.join(SOURCES)}")
        yield from ((network, s) for s in ([source] if source else SOURCES))


def main():
    build = os.path.join(os.path.dirname(HERE), "build")
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--env", default=os.path.join(build, "check_import"))
    p.add_argument("--here", action="store_true")
    p.add_argument("--program", default=os.path.join(build, "effnet"))
    p.add_argument("--out", default=os.path.join(build, "check_import.tsv"))
    p.add_argument("--most", type=int, default=100, help="pictures for any network")
    p.add_argument("--table", action="store_true")
    p.add_argument("network", nargs="*")
    a = p.parse_args()
    if a.table:
        Results(a.out).print_table()
        return
    todo = list(wanted(a.network))
    if not a.here:
        enter_environment(a.env)
    need_packages()
    results = Results(a.out)
    for network, source in todo:
        missing = results.missing(network, source)
        if missing:
            check(a.program, network, source, missing, a.most, results)


main()
