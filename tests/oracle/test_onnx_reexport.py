#!/usr/bin/env python3
"""ONNX through `dltool convert` to ONNX: structurally the same graph with bit-equal constants, and the same numbers.

On the conformance cases of ONNX and on models that torch and Keras export. Who comes back differently stands in DIFFERENT, with the reason.
`test_onnx_reexport.py REGEX` prints what becomes of the cases whose names match."""

import collections
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

import onnx_cases
import onnx_structure
import torch_models

DLTOOL = os.environ["DLTOOL"]
OLDEST, NEWEST = 13, 21

# Operators that come back as others: how many cases of each do, and why.
NEW = "is newer than what is written"
DIFFERENT = {
    "Attention": (88, NEW), "RMSNormalization": (19, NEW), "RotaryEmbedding": (8, NEW), "Swish": (1, NEW), "TensorScatter": (3, NEW),
    "Scatter": (4, "is called ScatterElements since opset 11"),
    "Scan": (2, "of opset 8 has another form than later ones"),
    "PRelu": (3, "of opset 6 broadcasts its slopes in another way; as one number they are a LeakyRelu"),
    "Add": (2, "of opset 6 says along which axis it broadcasts"),
    "AveragePool": (1, "of opset 22 counts other windows as the last ones under ceil_mode"),
    "MaxPool": (1, "of opset 22 counts other windows as the last ones under ceil_mode"),
    "expansions": (5, "with sizes behind an Identity, which come back as numbers"),
}
SAME = 1830  # cases that come back as they are, at least


def opset_of(model):
    return next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))


def target_opset(model):
    return min(max(opset_of(model), OLDEST), NEWEST)


def reexport(case, folder):
    """The verdict (same, different, refused, invalid, wrong, crash) and what there is to say."""
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        (place / "x.onnx").write_bytes(case.model.SerializeToString())
        command = [DLTOOL, "convert", "x.onnx", "y.onnx", "--no-verify", "--opset", str(target_opset(case.model))]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=60, errors="replace")
        if done.returncode in (2, 3) and done.stderr.strip():
            return "refused", done.stderr.strip()
        if done.returncode != 0:
            return "crash", f"exit {done.returncode}: {done.stderr.strip()[-300:]}"
        again = onnx.load(str(place / "y.onnx"))
        try:
            onnx.checker.check_model(again, full_check=True)
        except Exception as e:  # noqa: BLE001: whatever it says
            try:
                onnx.checker.check_model(case.model, full_check=True)
            except Exception:  # noqa: BLE001: nor was the source
                pass
            else:
                return "invalid", str(e).strip().splitlines()[-1]
        words = onnx_structure.differences(case.model, again)
        if not words and opset_of(case.model) == opset_of(again):
            return "same", ""  # and so are its numbers
        case = onnx_cases.Case(case.name, again, list(case.inputs.values()), [a for _, a in case.outputs], case.rtol, case.atol)
        verdict, said = onnx_cases.run(case, DLTOOL, folder)
        if verdict not in ("pass", "refused"):
            return verdict, said
        return ("different", words) if words else ("same", "")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def reexport_all(cases, report=lambda *_: None):
    folder = tempfile.mkdtemp(prefix="dltool-onnx-")

    def run(case):
        result = case, *reexport(case, folder)
        report(*result)
        return result

    try:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(run, cases))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def all_cases(pattern):
    return [*onnx_cases.package_cases(pattern), *onnx_cases.debian_cases(pattern)]


class Conformance(unittest.TestCase):
    """Every case that is read comes back valid, with the same numbers, and as the same graph but for DIFFERENT."""

    @classmethod
    def setUpClass(cls):
        cls.results = reexport_all(all_cases(re.compile("")))

    def test_nothing_is_wrong(self):
        bad = [f"{verdict} {case.name}: {said}" for case, verdict, said in self.results if verdict in ("wrong", "crash", "invalid")]
        self.assertEqual(bad, [])

    def test_graphs_are_the_same(self):
        name = lambda case: "expansions" if case.name.endswith("_expanded") else case.operator
        different = collections.Counter(name(case) for case, verdict, _ in self.results if verdict == "different")
        self.assertEqual(dict(different), {operator: count for operator, (count, _) in DIFFERENT.items()})

    def test_few_are_refused(self):
        counts = collections.Counter(verdict for _, verdict, _ in self.results)
        self.assertGreaterEqual(counts["same"], SAME, counts)


def differences(source, target):
    return onnx_structure.differences(onnx.load(str(source)), onnx.load(str(target)))


class Networks(unittest.TestCase):
    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.source, self.target = self.folder / "source.onnx", self.folder / "target.onnx"

    def convert(self, *options):
        command = [DLTOOL, "convert", self.source, self.target, "--force", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            onnx.checker.check_model(str(self.target), full_check=True)

    def run_both(self, inputs):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        results = []
        for path in (self.source, self.target):
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            feed = {i.name: x for i, x in zip(session.get_inputs(), inputs)}
            results.append(session.run(None, feed))
        return results

    def test_torch(self):
        exported = 0
        for name, (model, inputs, *_) in torch_models.models().items():
            for opset, open_batch in ((11, False), (13, True), (17, False), (17, True), (20, False)):
                with self.subTest(name, opset=opset, open_batch=open_batch):
                    if not torch_models.export(model, inputs, self.source, opset, open_batch):
                        continue
                    exported += 1
                    self.convert("--opset", str(max(opset, OLDEST)))
                    self.assertEqual(differences(self.source, self.target), TORCH_DIFFERENT.get((name, opset), ""))
                    for before, after in zip(*self.run_both([x.numpy() for x in inputs])):
                        np.testing.assert_array_equal(before, after)
        self.assertGreater(exported, 60)

    def test_after_training(self):
        """Trained further and exported, a graph is the same but for its weights."""
        import torch
        from torch import nn
        torch.manual_seed(1)
        model = nn.Sequential(nn.Conv2d(1, 6, 3), nn.LocalResponseNorm(3), nn.PReLU(6), nn.InstanceNorm2d(6, affine=True), nn.Flatten(),
                              nn.Linear(6 * 36, 3))
        self.assertTrue(torch_models.export(model, (torch.rand(2, 1, 8, 8),), self.source, 17, True))
        rng = np.random.default_rng(0)
        x, y = rng.random((24, 1, 8, 8), np.float32), rng.integers(0, 3, (24,))
        np.savez(self.folder / "data.npz", x=x, y=y)
        (self.folder / "run.yaml").write_text(RUN, encoding="utf-8")
        done = subprocess.run([DLTOOL, "train", "run.yaml"], cwd=self.folder, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        done = subprocess.run([DLTOOL, "export", "run", "target.onnx"], cwd=self.folder, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        before, after = onnx.load(str(self.source)), onnx.load(str(self.target))
        self.assertEqual(onnx_structure.Structure(before, True).outputs, onnx_structure.Structure(after, True).outputs)
        operators = lambda m: [n.op_type for n in m.graph.node if n.op_type not in ("Constant", "Identity")]
        self.assertEqual(operators(before), operators(after))
        weights = lambda m: {i.name: onnx.numpy_helper.to_array(i) for i in m.graph.initializer if i.data_type == 1}
        old, new = weights(before), weights(after)
        self.assertLessEqual(set(old), set(new))
        self.assertTrue(all(not np.array_equal(old[name], new[name]) for name in old), "every weight was trained")


# Torch wraps a Squeeze of opset 11 in an If; nodes of branches are not brought to a later operator set.
TORCH_DIFFERENT = {("norms", 11): "-1Equal -1Gather -1If -1Shape | +1Squeeze"}

RUN = """
model: source.onnx
data:
  train: {format: npz, path: data.npz, y: y, classes: 3}
training:
  loss: {sparse_categorical_crossentropy: {from_logits: true}}
  optimizer: {Adam: {learning_rate: 0.01}}
  batch_size: 8
  epochs: 2
output: run
"""

if __name__ == "__main__":
    if len(sys.argv) > 1 and not hasattr(sys.modules[__name__], sys.argv[1].split(".")[0]):
        results = reexport_all(all_cases(re.compile(sys.argv[1])), lambda case, verdict, said: verdict == "same" or print(
            f"{verdict:9} {case.name} [{case.operator} {opset_of(case.model)}]: {said[-300:]}", flush=True))
        print(collections.Counter(v for _, v, _ in results), flush=True)
    else:
        unittest.main(verbosity=0)
