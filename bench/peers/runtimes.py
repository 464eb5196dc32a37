# SPDX-License-Identifier: Apache-2.0
"""Every runtime behind one face: load(spec) gives an object with run() -> the logits as numpy can read them, and `version`.

A spec is a dict: runtime, model, folder (of prepare.py's files), library (libeffnet.so), threads, batch, level ("native" or
"avx2"), features. set_input(x) takes float32 [batch][h][w][3] and brings it into the runtime's own layout once, outside of what is timed.
All compute in float32 with the options that are fastest for a single stream.
"""
import os

import prepare

# Of these the instruction set can be held down, by the environment variables of LEVELS; the others go by CPUID.
HELD = ("effnet", "openvino", "torch", "torch-compile")
LEVELS = {"native": {}, "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2",
                                 "MKL_ENABLE_INSTRUCTIONS": "AVX2"}}


class Effnet:
    """libeffnet.so through ctypes, so that both sides are called from the same kind of process."""

    def __init__(self, spec):
        import ctypes as c

        import numpy as np

        class Error(c.Structure):
            _fields_ = [("code", c.c_int), ("msg", c.c_char * 252)]

        class Options(c.Structure):
            _fields_ = [("threads", c.c_int), ("max_batch", c.c_int), ("cpu", c.c_char_p), ("height", c.c_int),
                        ("width", c.c_int), ("reserved", c.c_uint8 * 32)]

        self.c, self.np, self.lib, self.err = c, np, c.CDLL(spec["library"]), Error()
        for name in ("eff_version", "eff_engine_cpu"):
            getattr(self.lib, name).restype = c.c_char_p
        self.version = self.lib.eff_version().decode()
        model, self.engine, o = c.c_void_p(), c.c_void_p(), Options()
        self.must(self.lib.eff_model_load(c.byref(model), os.path.join(spec["folder"], "model.effnet").encode(), None,
                                          c.byref(self.err)))
        self.lib.eff_engine_opts_init(c.byref(o))
        o.threads, o.max_batch = spec["threads"], spec["batch"]
        o.cpu = None if spec["level"] == "native" else spec["level"].encode()
        self.must(self.lib.eff_engine_create(c.byref(self.engine), model, c.byref(o), c.byref(self.err)))
        self.level = self.lib.eff_engine_cpu(self.engine).decode()
        self.batch = spec["batch"]
        self.logits = np.empty((self.batch, 1000), np.float32)
        self.to = self.logits.ctypes.data_as(c.POINTER(c.c_float))

    def must(self, status):
        if status:
            raise RuntimeError(self.err.msg.decode())

    def set_input(self, x):
        self.x = self.np.ascontiguousarray(x)
        self.at = self.x.ctypes.data_as(self.c.POINTER(self.c.c_float))

    def run(self):
        if self.lib.eff_engine_run(self.engine, self.at, self.batch, self.to, self.c.byref(self.err)):
            raise RuntimeError(self.err.msg.decode())
        return self.logits


class Ort:
    def __init__(self, spec):
        import onnxruntime as ort

        o = ort.SessionOptions()
        o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        o.intra_op_num_threads, o.inter_op_num_threads = spec["threads"], 1
        self.session = ort.InferenceSession(os.path.join(spec["folder"], prepare.ONNX), o, providers=["CPUExecutionProvider"])
        self.version = ort.__version__

    def set_input(self, x):
        self.feed = {self.session.get_inputs()[0].name: nchw(x)}

    def run(self):
        return self.session.run(None, self.feed)[0]


class OpenVino:
    def __init__(self, spec):
        import openvino as ov

        core = ov.Core()
        model = core.read_model(os.path.join(spec["folder"], prepare.OPENVINO))
        side = prepare.MODELS[spec["model"]][2]
        model.reshape([spec["batch"], 3, side, side])
        config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": spec["threads"], "NUM_STREAMS": 1,
                  "INFERENCE_PRECISION_HINT": "f32"}
        self.request = core.compile_model(model, "CPU", config).create_infer_request()
        self.ov, self.version = ov, ov.__version__.split("-")[0]

    def set_input(self, x):
        self.request.set_input_tensor(self.ov.Tensor(nchw(x)))

    def run(self):
        self.request.infer()
        return self.request.get_output_tensor().data


class Ncnn:
    """Has no batch dimension: a batch is its images one after the other."""

    def __init__(self, spec):
        import ncnn

        self.ncnn, self.net, self.version = ncnn, ncnn.Net(), getattr(ncnn, "__version__", "?")
        o = self.net.opt
        o.num_threads, o.lightmode, o.use_vulkan_compute = spec["threads"], True, False
        for key in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage", "use_bf16_packed"):
            if hasattr(o, key):
                setattr(o, key, False)
        self.net.load_param(os.path.join(spec["folder"], prepare.NCNN))
        self.net.load_model(os.path.join(spec["folder"], prepare.NCNN.replace("param", "bin")))

    def set_input(self, x):
        self.images = [self.ncnn.Mat(image).clone() for image in nchw(x)]

    def run(self):
        import numpy as np

        answers = []
        for image in self.images:
            extractor = self.net.create_extractor()
            extractor.input(self.net.input_names()[0], image)
            answers.append(np.array(extractor.extract(self.net.output_names()[0])[1]))
        return np.stack(answers)


class LiteRt:
    """XNNPACK, which the interpreter applies by itself."""

    def __init__(self, spec):
        import importlib.metadata

        from ai_edge_litert.interpreter import Interpreter

        self.it = Interpreter(model_path=os.path.join(spec["folder"], prepare.LITERT), num_threads=spec["threads"])
        entry = self.it.get_input_details()[0]
        if entry["shape"][0] != spec["batch"]:
            self.it.resize_tensor_input(entry["index"], [spec["batch"]] + list(entry["shape"][1:]))
        self.it.allocate_tensors()
        self.version = importlib.metadata.version("ai-edge-litert")

    def set_input(self, x):
        self.it.set_tensor(self.it.get_input_details()[0]["index"], x)

    def run(self):
        self.it.invoke()
        return self.it.get_tensor(self.it.get_output_details()[0]["index"])


class Torch:
    """channels_last. As the spec says: compiled by inductor with frozen weights, as the network was built (`torch-eager`, what scripts that
    take features do), or with batch norm folded."""

    def __init__(self, spec):
        import torch

        torch.set_num_threads(spec["threads"])
        net = prepare.load(spec["model"], spec["folder"])
        self.torch, self.version, self.classify = torch, torch.__version__.split("+")[0], None
        if spec["features"]:
            self.classify, net.classifier = net.classifier, torch.nn.Identity()
        if spec["runtime"] == "torch-compile":
            import torch._inductor.config as inductor

            inductor.freezing = True
            if spec["level"] == "avx2":
                inductor.cpp.simdlen = 256
            self.guard, self.net = torch.no_grad, torch.compile(net.to(memory_format=torch.channels_last))
        elif spec["runtime"] == "torch-eager":
            self.guard, self.net = torch.inference_mode, net.to(memory_format=torch.channels_last)
        else:
            from torch.fx.experimental.optimization import fuse

            self.guard, self.net = torch.inference_mode, fuse(net).to(memory_format=torch.channels_last)

    def set_input(self, x):
        self.x = self.torch.from_numpy(nchw(x)).to(memory_format=self.torch.channels_last)

    def run(self):
        with self.guard():
            return self.net(self.x)

    def answer(self):
        """The logits of the last input, also where only features are timed."""
        with self.guard():
            y = self.net(self.x)
            return (self.classify(y) if self.classify else y).numpy()


def nchw(x):
    import numpy as np

    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


# runtime: its class, and of prepare.py's files the one that it reads
ALL = {
    "effnet": (Effnet, "weights"),
    "onnxruntime": (Ort, "onnx"),
    "openvino": (OpenVino, "openvino"),
    "ncnn": (Ncnn, "ncnn"),
    "litert": (LiteRt, "litert"),
    "torch": (Torch, "weights"),
    "torch-eager": (Torch, "weights"),
    "torch-compile": (Torch, "weights"),
}
FASTEST = [name for name in ALL if name != "torch-eager"]


def load(spec):
    return ALL[spec["runtime"]][0](spec)
