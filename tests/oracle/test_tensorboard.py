"""TensorBoard reads the events of a fresh run, of one that was interrupted and resumed, and of one without step logs: every scalar as in
metrics.jsonl. Run by .venv-oracle/bin/python; DLTOOL names the binary."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DLTOOL = os.path.abspath(os.environ.get("DLTOOL", ROOT / "build/release/bin/dltool"))

RUN = {
    "model": {"inputs": {"x": {"shape": [64]}}, "layers": [{"Dense": {"units": 10, "activation": "softmax"}}]},
    "data": {"train": {"path": f"{ROOT}/configs/data/digits.csv.gz", "columns": {"y": "label"}, "classes": 10, "rescale": "1/16"},
             "validation": {"split": 0.2}},
    "training": {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], "batch_size": 128, "epochs": 4},
}


class TensorBoard(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="dltool-oracle-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "run.yaml").write_text(json.dumps(RUN))

    def train(self, *arguments):
        done = subprocess.run([DLTOOL, "train", "run.yaml", "-q", "-o", "run", *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)

    def compare(self, scalars):
        script = Path(__file__).with_name("tensorboard_test.py")
        done = subprocess.run([sys.executable, "-B", script, self.folder / "run"], capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{scalars} scalars agree", done.stdout)

    def test_epochs(self):
        self.train()
        self.compare(4 * (3 + 2 * 2))  # loss, accuracy, learning rate; val_loss and val_accuracy by epoch and by step

    def test_resumed(self):
        self.train("training.epochs=2")
        self.train("training.epochs=5", "--resume", "auto")
        self.compare(5 * 7)


if __name__ == "__main__":
    unittest.main(verbosity=2)
