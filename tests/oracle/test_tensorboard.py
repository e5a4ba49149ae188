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

    def test_histograms(self):
        """As tf.summary.histogram writes them, also after a resume."""
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator, TENSORS
        from tensorboard.util import tensor_util
        import h5py
        import numpy as np
        with_histograms = {**RUN, "training": {**RUN["training"], "callbacks": [{"TensorBoard": {"histogram_freq": 2}}], "checkpoints": {"keep": 9}}}
        (self.folder / "run.yaml").write_text(json.dumps(with_histograms))
        self.train("training.epochs=3")
        self.train("training.epochs=5", "--resume", "auto")
        events = EventAccumulator(str(self.folder / "run/tensorboard/train"), size_guidance={TENSORS: 0}).Reload()
        self.assertEqual(events.SummaryMetadata("dense/kernel/histogram").plugin_data.plugin_name, "histograms")
        found = {event.step: tensor_util.make_ndarray(event.tensor_proto) for event in events.Tensors("dense/kernel/histogram")}
        self.assertEqual(sorted(found), [0, 2, 4])
        checkpoints = sorted(os.listdir(self.folder / "run/checkpoints"))
        with h5py.File(self.folder / "run/checkpoints" / checkpoints[-1]) as file:
            kernel = file["parameters/dense/kernel"][()].astype(np.float64)
        counts, edges = np.histogram(kernel, bins=30)
        np.testing.assert_array_equal(found[4][:, 2], counts)
        np.testing.assert_allclose(found[4][:, 0], edges[:-1], rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(found[4][:, 1], edges[1:], rtol=1e-12, atol=1e-15)

    def test_pictures(self):
        """As Keras's write_images with tf.summary.image writes them."""
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator, TENSORS
        import h5py
        import io
        import numpy as np
        from PIL import Image
        layers = [{"Reshape": {"target_shape": [8, 8, 1]}}, {"Conv2D": {"filters": 5, "kernel_size": 2, "name": "gray"}},
                  {"Conv2D": {"filters": 3, "kernel_size": [3, 2], "name": "rgb"}}, {"Conv2D": {"filters": 7, "kernel_size": 2, "name": "none"}},
                  "Flatten", {"Dense": {"units": 10, "activation": "softmax"}}]
        (self.folder / "run.yaml").write_text(json.dumps({
            **RUN, "model": {"inputs": {"x": {"shape": [64]}}, "layers": layers},
            "training": {**RUN["training"], "epochs": 1, "callbacks": [{"TensorBoard": {"histogram_freq": 1, "write_images": True}}]}}))
        self.train()
        events = EventAccumulator(str(self.folder / "run/tensorboard/train"), size_guidance={TENSORS: 0}).Reload()
        (checkpoint,) = (self.folder / "run/checkpoints").glob("*.h5")
        with h5py.File(checkpoint) as file:
            weights = {name: file[f"parameters/{name}"][()].squeeze() for name in ("gray/kernel", "rgb/kernel", "dense/kernel", "dense/bias")}
        expected = {"gray/kernel": weights["gray/kernel"].transpose(2, 0, 1)[..., None], "rgb/kernel": weights["rgb/kernel"],
                    "dense/kernel": weights["dense/kernel"].T[None, ..., None], "dense/bias": weights["dense/bias"][None, :, None, None]}
        tags = {tag for tag in events.Tags()["tensors"] if tag.endswith("/image")}
        self.assertEqual(tags, {f"{layer}/{name}/image" for layer in ("gray", "rgb", "none", "dense") for name in ("kernel", "bias")} - {"none/kernel/image"})
        for name, pictures in expected.items():
            self.assertEqual(events.SummaryMetadata(f"{name}/image").plugin_data.plugin_name, "images")
            width, height, *files = events.Tensors(f"{name}/image")[0].tensor_proto.string_val
            self.assertEqual((int(height), int(width), len(files)), (*pictures.shape[1:3], min(3, len(pictures))))
            for data, picture in zip(files, pictures):
                pixels = np.asarray(Image.open(io.BytesIO(data)))
                wanted = np.clip(picture.astype("float32") * np.float32(255.5), 0, 255).astype("uint8")
                np.testing.assert_array_equal(pixels.reshape(wanted.shape), wanted)

    def test_resumed(self):
        self.train("training.epochs=2")
        self.train("training.epochs=5", "--resume", "auto")
        self.compare(5 * 7)


if __name__ == "__main__":
    unittest.main(verbosity=2)
