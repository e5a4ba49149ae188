"""Keras files in both directions, judged by real Keras 3 and tf-keras: every layer, whole models, networks of keras.applications, and
training that goes on in the other program. keras_files.py is the judge; its parts run as processes beside each other."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent


def judge(*parts):
    with tempfile.TemporaryDirectory(prefix="dltool-keras-") as folder:
        done = subprocess.run([sys.executable, "-B", HERE / "keras_files.py", folder, *parts], capture_output=True, text=True, timeout=3000)
    if done.returncode != 0:
        raise AssertionError(f"{parts}: {done.stderr[-4000:]}")
    return json.loads(done.stdout)


class KerasFiles(unittest.TestCase):
    def check(self, least, *parts):
        verdict = judge(*parts)
        self.assertEqual(verdict["failures"], [], "\n".join(verdict["failures"]))
        self.assertGreaterEqual(verdict["checks"], least)

    def test_layers_of_keras_3(self):
        self.check(40, "layers.keras")

    def test_layers_of_keras_2(self):
        self.check(30, "layers.tf_keras")

    def test_models(self):
        self.check(200, "models.keras", "models.tf_keras")

    def test_applications(self):
        self.check(80, "applications.keras", "applications.tf_keras")

    def test_training_goes_on(self):
        self.check(60, "training.keras", "training.tf_keras")


if __name__ == "__main__":
    unittest.main(verbosity=2)
