"""Harness of the integration tests: small runs on the digits that ship with the project, and their final weights as bytes.

Weights are compared bit by bit through h5py, which .venv-oracle holds (scripts/make-oracle.sh). Without it, through what `predict` says of
every sample in float32, which sees the weights but not the slots of the optimizer.
"""

import copy
import hashlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "cli"))
from cli import ROOT, CliTest, main  # noqa: E402,F401

for _packages in ROOT.glob(".venv-oracle/lib/python3*/site-packages"):
    sys.path.append(str(_packages))
try:
    import h5py
except ImportError:
    h5py = None

# All that must survive an interruption: shuffling, dropout, moving statistics, slots, a schedule, callbacks with a memory, metrics.
DIGITS = {
    "model": {
        "inputs": {"image": {"shape": [8, 8, 1]}},
        "layers": [
            {"Conv2D": {"filters": 4, "kernel_size": 3, "strides": 2, "use_bias": False}},
            {"BatchNormalization": None},
            {"Activation": {"activation": "relu"}},
            {"Flatten": None},
            {"Dropout": {"rate": 0.2}},
            {"Dense": {"units": 10, "activation": "softmax"}},
        ],
    },
    "data": {
        "train": {"format": "csv", "path": f"{ROOT}/configs/data/digits.csv.gz", "columns": {"y": "label"}, "classes": 10, "shape": [8, 8, 1],
                  "rescale": "1/16"},
        "validation": {"split": 0.2},
    },
    "training": {
        "loss": "sparse_categorical_crossentropy",
        "optimizer": {"Adam": {"learning_rate": {"CosineDecay": {"initial_learning_rate": 0.01, "decay_steps": 200}}}},
        "metrics": ["accuracy"],
        "batch_size": 64,
        "epochs": 4,
        "log_steps": True,
    },
    "output": "run",
}


def spec(**training):
    """DIGITS with these keys of `training`; None takes a key away."""
    result = copy.deepcopy(DIGITS)
    for key, value in training.items():
        result["training"].pop(key, None)
        if value is not None:
            result["training"][key] = value
    return result


def read_group(path, groups):
    """name -> (type, shape, bytes) of every dataset."""
    values = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            array = item[()]
            values[item.name] = (str(item.dtype), item.shape, array.tobytes())

    with h5py.File(path) as file:
        for group in groups:
            if group in file:
                file[group].visititems(visit)
    return values


def finite(path):
    """Whether all numbers of a checkpoint are."""
    import numpy as np

    content = read_group(path, ["parameters", "slots"]).values()
    return all(np.isfinite(np.frombuffer(data, kind)).all() for kind, _, data in content if kind.startswith("float"))


def steps(path):
    """step -> loss of a metrics.jsonl."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [(r["step"], r["loss"]) for r in records if r["type"] == "step"]


def epochs(path):
    """What metrics.jsonl says of each epoch, without times."""
    timing = {"time", "seconds", "data_wait_seconds", "samples_per_second"}
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in r.items() if k not in timing} for r in records if r["type"] == "epoch"]


class RunTest(CliTest):
    def write_spec(self, content, name="run.yaml"):
        return self.write(name, json.dumps(content))

    def train(self, *arguments, **more):
        return self.run_dltool("train", "run.yaml", "--threads", "1", "-q", *arguments, **more)

    def checkpoints(self, run="run"):
        return sorted((self.folder / run / "checkpoints").glob("step-*.ckpt.h5"))

    def weights(self, path):
        """Parameters and slots of a checkpoint, to compare for equality."""
        if h5py:
            content = read_group(path, ["parameters", "slots"])
            return {name: (kind, shape, hashlib.sha256(data).hexdigest()[:16]) for name, (kind, shape, data) in content.items()}
        out = self.folder / "weights-seen.npy"
        self.run_dltool("predict", path, ROOT / "configs/data/digits.csv.gz", "-o", out, "-q").succeeds()
        return {"predictions": hashlib.sha256(out.read_bytes()).hexdigest()}

    def final(self, run="run"):
        found = self.checkpoints(run)
        self.assertTrue(found, f"no checkpoint in {run}")
        return self.weights(found[-1])

    def no_leftovers(self, run="run"):
        """Nothing half-written under any name."""
        names = [p.name for p in (self.folder / run).rglob("*") if p.is_file()]
        wrong = [n for n in names if n.startswith(".") or not (n.endswith((".ckpt.h5", ".yaml", ".jsonl", ".csv", ".html")) or "tfevents" in n)]
        self.assertEqual(wrong, [])
