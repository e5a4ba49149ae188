#!/usr/bin/env python3
"""What `dltool convert` writes as ONNX, judged by onnx.checker with strict shape inference and by ONNX Runtime's numbers.

One process for all: every layer class in several forms at every opset, the models of models/, keras.applications through .keras files,
and the options of convert. `test_onnx_export.py NAME...` runs the cases whose names contain one of these words."""

import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

import onnx_models

DLTOOL = os.environ["DLTOOL"]
ROOT = Path(__file__).resolve().parents[2]
OPSETS = (13, 14, 15, 16, 17, 18, 19, 20, 21)
IR = {13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9, 21: 10}


def dltool(*arguments):
    return subprocess.run([DLTOOL, *map(str, arguments)], capture_output=True, text=True, timeout=300)


def convert(source, target, *options):
    done = dltool("convert", source, target, "--force", *options)
    if done.returncode:
        raise AssertionError(f"exit {done.returncode}: {done.stderr.strip()}")
    return done


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run_onnx(path, arrays):
    s = session(path)
    names = [i.name for i in s.get_inputs()]
    # By name; where the names are others, by position.
    feed = dict(arrays) if set(names) == set(arrays) else dict(zip(names, arrays.values()))
    return [o.name for o in s.get_outputs()], s.run(None, feed)


def predict(model, arrays, folder):
    np.savez(folder / "in.npz", **arrays)
    done = dltool("predict", model, "--inputs", folder / "in.npz", "--outputs", folder / "out.npz")
    if done.returncode:
        raise AssertionError(f"predict, exit {done.returncode}: {done.stderr.strip()}")
    with np.load(folder / "out.npz") as found:
        return {name: found[name] for name in found.files}


def scaled_error(want, got):
    """The largest difference in units of the largest value (at least 1)."""
    if want.size == 0:
        return 0.0
    if not np.array_equal(np.isfinite(want), np.isfinite(got)):
        return np.inf
    finite = np.isfinite(want)
    scale = max(1.0, float(np.abs(want[finite]).max(initial=0)))
    return float(np.abs(want[finite].astype(np.float64) - got[finite]).max(initial=0)) / scale


def subgraphs(node):
    return [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]


def check_hygiene(model, opset, open_batch=True):
    """What checkers do not look at: names, leftovers, versions."""
    graph = model.graph
    assert [(o.domain, o.version) for o in model.opset_import] == [("", opset)], model.opset_import
    assert model.ir_version == IR[opset], (model.ir_version, opset)
    assert model.producer_name == "dltool" and model.producer_version, model.producer_name
    nodes = [n.name for n in graph.node]
    assert all(nodes) and len(set(nodes)) == len(nodes), "node names are missing or appear twice"
    inputs, outputs = [i.name for i in graph.input], [o.name for o in graph.output]
    initializers = [i.name for i in graph.initializer]
    values = inputs + initializers + [o for n in graph.node for o in n.output if o]
    assert len(set(values)) == len(values), "value names appear twice"
    assert all(v and "\n" not in v and not re.fullmatch(r"[vt]?\d+(\.\d+)?", v) for v in values), values
    read = {i for n in graph.node for i in n.input} | set(outputs)
    assert set(initializers) <= read, f"dangling initializers {set(initializers) - read}"
    unread = [o for n in graph.node for o in n.output[:1] if o and o not in read and not any(p in read for p in n.output[1:])]
    assert not unread, f"dangling values {unread}"
    for node in graph.node:
        if node.op_type == "Identity":
            assert node.output[0] in outputs, f"needless Identity {node.name}"
        if node.op_type == "Transpose":
            perm = list(node.attribute[0].ints)
            assert perm != sorted(perm), f"needless Transpose {node.name}"
    transposed = {o: n for n in graph.node if n.op_type == "Transpose" for o in n.output}
    chains = [n.name for n in graph.node if n.op_type == "Transpose" and n.input[0] in transposed]
    assert not chains, f"transposes after transposes: {chains}"
    if open_batch:
        for value in [*graph.input, *graph.output]:
            dims = value.type.tensor_type.shape.dim
            assert dims[0].dim_param == "batch", f"{value.name}: {dims[0]}"


def check_model(path, opset, open_batch=True):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = onnx.load(str(path), load_external_data=False)
        onnx.checker.check_model(str(path), full_check=True)
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    for written, found in zip(model.graph.output, inferred.graph.output):
        assert written.type == found.type, f"{written.name}: written {written.type} inferred {found.type}"
    check_hygiene(model, opset, open_batch)
    return model


def draw_inputs(case, batch, rng):
    arrays = {}
    for name, entry in case.yaml()["inputs"].items():
        shape = [batch, *[7 if s is None else s for s in entry["shape"]]]
        draw = case.draw.get(name)
        dtype = entry.get("dtype", "float32")
        arrays[name] = (draw(rng, shape) if draw else rng.standard_normal(shape)).astype(dtype)
    return arrays


class Layers(unittest.TestCase):
    """Every layer class. A case is written at opset 17 and, in turn, at one of the others; --all-opsets writes all."""

    words = []
    all_opsets = False

    def check(self, case, folder, opsets):
        source = folder / "model.yaml"
        source.write_text(json.dumps(case.yaml()))
        rng = np.random.default_rng(len(case.name))
        arrays = draw_inputs(case, 3, rng)
        want = predict(source, arrays, folder)
        problems = []
        for opset in opsets:
            target = folder / f"model-{opset}.onnx"
            try:
                convert(source, target, "--opset", opset)
                check_model(target, opset)
                for batch in (3, 1):
                    names, found = run_onnx(target, {k: v[:batch] for k, v in arrays.items()})
                    assert names == list(want), (names, list(want))
                    for (name, w), f in zip(want.items(), found):
                        assert f.shape == w[:batch].shape and f.dtype == w.dtype, f"{name}: {f.shape} {f.dtype} for {w.shape} {w.dtype}"
                        error = scaled_error(w[:batch], f)
                        assert error <= case.tolerance, f"{name}, batch {batch}: error {error:.3g}"
                assert not case.refused or opset >= case.below, "is written, though it should be refused"
            except Exception as e:  # noqa: BLE001: whatever checker and runtime say
                if case.refused and opset < case.below and case.refused in str(e):
                    continue
                problems.append(f"opset {opset}: {str(e)[:600]}")
        return problems

    def test_all(self):
        with tempfile.TemporaryDirectory() as folder:
            for k, case in enumerate(onnx_models.cases()):
                if self.words and not any(w in case.name for w in self.words):
                    continue
                with self.subTest(case.name):
                    try:
                        problems = self.check(case, Path(folder), OPSETS if self.all_opsets else {17, OPSETS[k % len(OPSETS)]})
                    except AssertionError as e:
                        problems = [str(e)]
                    self.assertFalse(problems, "\n" + "\n".join(problems))

    def test_every_class_is_covered(self):
        table = (ROOT / "lib/layers/layers.def").read_text()
        classes = {name.replace("_", "").lower() for name in re.findall(r"^DL_LAYER\((\w+)\)", table, re.M)}
        seen = set()

        def visit(tree):
            if isinstance(tree, dict):
                for key, value in tree.items():
                    seen.add(key.lower())
                    visit(value)
            elif isinstance(tree, list):
                for value in tree:
                    visit(value)

        for case in onnx_models.cases():
            visit(case.layers)
        self.assertEqual(classes - seen - {"stackedrnncells", "grucell", "simplernncell"}, set())


class Options(unittest.TestCase):
    """What the options of convert do to the file."""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.rng = np.random.default_rng(7)
        self.case = onnx_models.chain("net", [8, 9, 3], {"Conv2D": {"name": "c", "filters": 4, "kernel_size": 3}}, {"BatchNormalization": {}},
                                      {"ReLU": {"max_value": 6}}, {"GlobalAveragePooling2D": {}}, {"Dense": {"units": 300}},
                                      {"Dense": {"name": "out", "units": 5}})
        self.source = self.folder / "net.yaml"
        self.source.write_text(json.dumps(self.case.yaml()))
        self.target = self.folder / "net.onnx"
        self.x = {"x": self.rng.standard_normal([2, 8, 9, 3]).astype(np.float32)}

    def run_and_compare(self, arrays, want, tolerance=1e-5):
        _, found = run_onnx(self.target, arrays)
        for w, f in zip(want.values(), found):
            self.assertLessEqual(scaled_error(w, f), tolerance)

    def test_input_shapes(self):
        convert(self.source, self.target, "--input-shape", "x:2x8x9x3")
        model = check_model(self.target, 17, open_batch=False)
        self.assertEqual([d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim], [2, 8, 9, 3])
        self.run_and_compare(self.x, predict(self.source, self.x, self.folder))
        convert(self.source, self.target, "--input-shape", "Nx8x9x3")
        self.assertEqual(session(self.target).get_inputs()[0].shape, ["N", 8, 9, 3])

    def test_dynamic_axes(self):
        source = self.folder / "seq.yaml"
        source.write_text(json.dumps(onnx_models.Case("seq", {"x": [6, 3]}, [
            {"GRU": {"units": 4, "return_sequences": True}}, {"Dense": {"units": 2}}]).yaml()))
        convert(source, self.target, "--dynamic", "batch,seq")
        check_model(self.target, 17)
        self.assertEqual(session(self.target).get_inputs()[0].shape, ["batch", "seq", 3])
        self.assertEqual(session(self.target).get_outputs()[0].shape, ["batch", "seq", 2])
        x = self.rng.standard_normal([2, 6, 3]).astype(np.float32)
        self.run_and_compare({"x": x}, predict(source, {"x": x}, self.folder))
        run_onnx(self.target, {"x": self.rng.standard_normal([3, 11, 3]).astype(np.float32)})

    def test_layouts(self):
        want = predict(self.source, self.x, self.folder)
        for layout, shape, perm in (("keep", [8, 9, 3], None), ("nhwc", [8, 9, 3], None), ("nchw", [3, 8, 9], (0, 3, 1, 2))):
            with self.subTest(layout):
                convert(self.source, self.target, "--layout", layout)
                model = check_model(self.target, 17)
                self.assertEqual(session(self.target).get_inputs()[0].shape, ["batch", *shape])
                self.run_and_compare({"x": self.x["x"].transpose(perm) if perm else self.x["x"]}, want)
                transposes = sum(n.op_type == "Transpose" for n in model.graph.node)
                self.assertEqual(transposes, 0 if layout == "nchw" else 1)
                # From channels-first to channels-last and back.
                again = self.folder / "again.onnx"
                convert(self.target, again, "--layout", "nhwc")
                self.assertEqual(session(again).get_inputs()[0].shape, ["batch", 8, 9, 3])

    def test_half(self):
        """Every layer class with weights as float16: loads, and agrees as far as float16 goes."""
        problems = []
        full = self.folder / "full.onnx"
        for k, case in enumerate(onnx_models.cases()):
            if case.refused and case.below > 17:
                continue
            if k % 3 and not case.name.startswith(("lstm", "gru", "bi-", "batch", "mha", "unet")):
                continue
            source = self.folder / "model.yaml"
            source.write_text(json.dumps(case.yaml()))
            try:
                convert(source, self.target, "--half", "--no-verify")
                onnx.checker.check_model(str(self.target), full_check=True)
                model = onnx.load(str(self.target))
                kinds = {i.data_type for i in model.graph.initializer if np.prod(i.dims) > 1}
                assert onnx.TensorProto.FLOAT not in kinds or case.name.startswith(("up", "conv-all", "unet", "gqa")), kinds
                arrays = draw_inputs(case, 2, np.random.default_rng(k))
                _, found = run_onnx(self.target, arrays)
                convert(source, full, "--no-verify")
                for w, f in zip(run_onnx(full, arrays)[1], found):
                    assert w.dtype == f.dtype and w.shape == f.shape
                    error = scaled_error(w, f)
                    assert error <= 2e-2, f"error {error:.3g}"
            except Exception as e:  # noqa: BLE001
                problems.append(f"{case.name}: {str(e)[:400]}")
        self.assertFalse(problems, "\n" + "\n".join(problems))

    def test_external_data(self):
        want = predict(self.source, self.x, self.folder)
        convert(self.source, self.target, "--external-data")
        data = self.folder / "net.onnx.data"
        first = (self.target.read_bytes(), data.read_bytes())
        model = check_model(self.target, 17)
        external = [i for i in model.graph.initializer if i.data_location == onnx.TensorProto.EXTERNAL]
        self.assertTrue(external)
        for i in external:
            entries = {e.key: e.value for e in i.external_data}
            self.assertEqual(entries["location"], "net.onnx.data")
            self.assertLessEqual(int(entries["offset"]) + int(entries["length"]), len(first[1]))
        self.run_and_compare(self.x, want)
        convert(self.source, self.target, "--external-data")
        self.assertEqual((self.target.read_bytes(), data.read_bytes()), first)

    def test_metadata_and_selftest(self):
        convert(self.source, self.target)
        props = {p.key: p.value for p in onnx.load(str(self.target)).metadata_props}
        pairs = json.loads(props["dltool.test"])
        self.assertEqual(list(pairs[0]["inputs"]), ["x"])
        self.assertEqual(list(pairs[0]["outputs"]), ["out"])
        self.assertLess(len(props["dltool.test"]), 65536)
        done = dltool("inspect", self.target, "--selftest")
        self.assertEqual(done.returncode, 0, done.stderr)
        # Another weight, and the pair no longer fits.
        model = onnx.load(str(self.target))
        bias = next(i for i in model.graph.initializer if i.name == "out/bias")
        bias.raw_data = (np.frombuffer(bias.raw_data, np.float32) + 1).tobytes()
        onnx.save(model, str(self.target))
        self.assertEqual(dltool("inspect", self.target, "--selftest").returncode, 1)

    def test_refusals_are_listed_together(self):
        source = self.folder / "bad.yaml"
        source.write_text(json.dumps({"inputs": {"x": {"shape": [None, 3]}}, "layers": [
            {"LSTM": {"name": "first", "units": 4, "activation": "gelu", "return_sequences": True}},
            {"Dense": {"units": 4}}, {"GRU": {"name": "second", "units": 4, "activation": "silu"}}]}))
        done = dltool("convert", source, self.target)
        self.assertEqual(done.returncode, 3)
        self.assertFalse(self.target.exists())
        shown = dltool("inspect", source, "--for", "onnx")
        for text in (done.stderr, shown.stdout + shown.stderr):
            self.assertIn("layer 'first'", text)
            self.assertIn("layer 'second'", text)
            self.assertIn("gelu", text)


class Architectures(unittest.TestCase):
    """The models of models/, and of keras.applications with random weights through .keras files."""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_shipped_models(self):
        for source in sorted((ROOT / "models").glob("*.yaml")):
            for opset in OPSETS:
                with self.subTest(source.name, opset=opset):
                    target = self.folder / "model.onnx"
                    convert(source, target, "--opset", opset)
                    check_model(target, opset)
                    shape = [3, *session(target).get_inputs()[0].shape[1:]]
                    name = session(target).get_inputs()[0].name
                    x = {name: np.random.default_rng(0).standard_normal(shape).astype(np.float32)}
                    for w, f in zip(predict(source, x, self.folder).values(), run_onnx(target, x)[1]):
                        self.assertLessEqual(scaled_error(w, f), 1e-5)

    def test_keras_applications(self):
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras
        rng = np.random.default_rng(3)
        for name, size in (("MobileNetV2", 64), ("ResNet50", 64), ("EfficientNetB0", 64), ("DenseNet121", 64), ("Xception", 80)):
            with self.subTest(name):
                model = getattr(keras.applications, name)(weights=None, input_shape=(size, size + 32, 3), classes=7)
                for layer in model.layers:
                    if isinstance(layer, keras.layers.BatchNormalization):
                        gamma, beta, mean, variance = layer.get_weights()
                        layer.set_weights([rng.uniform(0.7, 1.3, gamma.shape), rng.normal(0, 0.2, beta.shape), rng.normal(0, 0.2, mean.shape),
                                           rng.uniform(0.7, 1.3, variance.shape)])
                source, target = self.folder / "m.keras", self.folder / "m.onnx"
                model.save(source)
                convert(source, target)
                written = check_model(target, 17)
                counts = {t: sum(n.op_type == t for n in written.graph.node) for t in ("Transpose", "BatchNormalization", "Reshape")}
                self.assertLessEqual(counts["Transpose"], 1)
                self.assertEqual(counts["Reshape"], 0)
                self.assertEqual(counts["BatchNormalization"], sum(isinstance(l, keras.layers.BatchNormalization) for l in model.layers))
                x = rng.random((3, size, size + 32, 3), np.float32)
                for batch in (3, 1):
                    got = run_onnx(target, {"x": x[:batch]})[1][0]
                    self.assertLessEqual(scaled_error(model.predict(x[:batch], verbose=0), got), 1e-5)


def operators(model):
    """How often each operator is there. A Constant is an initializer by another name, Identity and Dropout do nothing."""
    left_out = {"Constant", "ConstantOfShape", "Identity", "Dropout"}
    return collections.Counter(n.op_type for n in model.graph.node if n.op_type not in left_out)


def weights(model):
    arrays = [onnx.numpy_helper.to_array(i) for i in model.graph.initializer]
    return collections.Counter((a.dtype.str, a.shape, a.tobytes()) for a in arrays if a.size > 1 and a.dtype.kind == "f")


class Again(unittest.TestCase):
    """ONNX through dltool to ONNX: the same operators and the same bits."""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.source, self.target = self.folder / "source.onnx", self.folder / "target.onnx"

    def check(self, opset=17):
        model = onnx.load(str(self.source))
        convert(self.source, self.target, "--opset", opset)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            onnx.checker.check_model(str(self.target), full_check=True)
        again = onnx.load(str(self.target))
        before, after = operators(model), operators(again)
        found = {k: (before[k], after[k]) for k in before | after if before[k] != after[k]}
        self.assertEqual(found, {})
        self.assertEqual(weights(model) - weights(again), collections.Counter())

    def test_own_files(self):
        """What dltool writes comes back as it is, node by node."""
        for case in onnx_models.cases():
            if not case.name.startswith(("conv2d", "transpose2d", "depthwise", "batchnorm", "max-", "dense", "lstm", "gru", "bi-lstm", "bi-gru",
                                         "unet", "tagger", "heads", "layernorm-", "prelu-shared", "up2d", "squeeze", "embedding", "relu",
                                         "activation-elu", "activation-hard_s", "merge-conv", "softmax")):
                continue
            with self.subTest(case.name):
                yaml = self.folder / "model.yaml"
                yaml.write_text(json.dumps(case.yaml()))
                convert(yaml, self.source, "--no-verify")
                self.check()

    def test_torch(self):
        import torch
        from torch import nn
        torch.manual_seed(0)

        class Residual(nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1, groups=2, bias=False)
                self.norms = nn.ModuleList([nn.BatchNorm2d(8), nn.BatchNorm2d(8)])
                self.wide, self.up, self.slope = nn.Conv2d(8, 8, 3, 1, 2, dilation=2), nn.ConvTranspose2d(8, 6, 3, 2, 1, 1), nn.PReLU(6)
                self.head = nn.Linear(6, 5)

            def forward(self, x):
                x = torch.relu(self.norms[0](self.a(x)))
                x = x + nn.functional.leaky_relu(self.norms[1](self.b(x)), 0.1)
                x = nn.functional.interpolate(self.wide(nn.functional.max_pool2d(x, 2)), scale_factor=2)
                return self.head(torch.flatten(nn.functional.adaptive_avg_pool2d(self.slope(self.up(x)), 1), 1))

        class Recurrent(nn.Module):
            def __init__(self, kind):
                super().__init__()
                self.layer, self.head = kind(6, 5, bidirectional=True), nn.Linear(10, 3)

            def forward(self, x):
                return self.head(self.layer(x)[0])

        models = {"residual": (Residual(), torch.rand(2, 3, 16, 20), 0), "lstm": (Recurrent(nn.LSTM), torch.rand(7, 2, 6), 1),
                  "gru": (Recurrent(nn.GRU), torch.rand(7, 2, 6), 1),
                  "perceptron": (nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 3), nn.Softmax(-1)), torch.rand(2, 4), 0)}
        for name, (model, x, axis) in models.items():
            with self.subTest(name), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(model.eval(), (x,), str(self.source), dynamo=False, input_names=["x"], opset_version=17,
                                  dynamic_axes={"x": {axis: "batch"}})
                self.check()

    def test_quantized(self):
        """A model as onnxruntime.quantization makes it, with QuantizeLinear and DequantizeLinear around the operators."""
        from onnxruntime import quantization
        yaml = self.folder / "model.yaml"
        case = onnx_models.chain("net", [8, 9, 3], {"Conv2D": {"filters": 4, "kernel_size": 3}}, {"ReLU": {}}, {"MaxPooling2D": {}},
                                 {"Flatten": {}}, {"Dense": {"units": 5}})
        yaml.write_text(json.dumps(case.yaml()))
        plain = self.folder / "plain.onnx"
        convert(yaml, plain, "--layout", "nchw")
        rng = np.random.default_rng(1)

        class Reader(quantization.CalibrationDataReader):
            left = [{"x": rng.standard_normal([4, 3, 8, 9]).astype(np.float32)} for _ in range(3)]

            def get_next(self):
                return self.left.pop() if self.left else None

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantization.quantize_static(str(plain), str(self.source), Reader(), per_channel=True, weight_type=quantization.QuantType.QInt8,
                                         activation_type=quantization.QuantType.QUInt8)
        before = onnx.load(str(self.source))
        convert(self.source, self.target)
        check_model(self.target, 17)
        again = onnx.load(str(self.target))
        small = lambda m: collections.Counter(onnx.numpy_helper.to_array(i).tobytes() for i in m.graph.initializer
                                              if i.data_type == onnx.TensorProto.INT8 and np.prod(i.dims) > 8)
        self.assertTrue(small(before))
        self.assertEqual(small(before), small(again))
        self.assertEqual(operators(again)["QuantizeLinear"], operators(before)["QuantizeLinear"])
        x = {"x": rng.standard_normal([4, 3, 8, 9]).astype(np.float32)}
        error = scaled_error(run_onnx(self.source, x)[1][0], run_onnx(self.target, x)[1][0])
        self.assertLessEqual(error, 1e-5)


if __name__ == "__main__":
    Layers.all_opsets = "--all-opsets" in sys.argv
    Layers.words = [a for a in sys.argv[1:] if not a.startswith("-")]
    unittest.main(argv=[sys.argv[0], *(["Layers"] if Layers.words else [])], verbosity=0)
