"""Keras 3's files in both directions, judged by real Keras 3 and tf-keras (keras_files.py)."""

import subprocess
import tempfile
import unittest
from pathlib import Path

import keras_files
import numpy as np


class Keras3Files(keras_files.KerasFiles):
    K, least = keras_files.keras, {"layers": 1, "models": 1, "applications": 1, "training": 36}

    def test_learnt_vocabulary(self):
        """It stands in a member of its own, also of a layer in an inner model; with it, dltool writes a vocabulary that was given."""
        keras, layers = self.K, self.K.layers

        def learnt(tokens, **config):
            layer = layers.IntegerLookup(**config)
            layer.adapt(np.array([tokens]))
            return layer

        x = keras.Input((3,), dtype="int64", name="x")
        inner = keras.Sequential([keras.Input((3,), dtype="int64"), learnt([7, 5, 5])])
        model = keras.Model(x, [learnt([3, 3, 4, 8, 0, 0, 0], num_oov_indices=2, mask_token=0)(x), learnt([1, 2, 2])(x), inner(x)])
        values = np.array([[0, 3, 4], [8, 7, 5], [1, 2, 9]])
        want = [np.asarray(y) for y in model(values)]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            model.save(folder / "learnt.keras")
            np.savez(folder / "in.npz", x=values)
            for args in (["predict", "learnt.keras", "--inputs", "in.npz", "--outputs", "out.npz"], ["convert", "learnt.keras", "given.keras"]):
                done = subprocess.run([keras_files.DLTOOL, *args], cwd=folder, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
            out = np.load(folder / "out.npz")
            again = keras.models.load_model(folder / "given.keras")(values)
            for y, ours, theirs in zip(want, (out[k] for k in out.files), again, strict=True):
                np.testing.assert_array_equal(ours, y)
                np.testing.assert_array_equal(np.asarray(theirs), y)


    def test_learned_while_training(self):
        """Bins and vocabulary that dltool learned are in the file, for Keras to go on with."""
        rng = np.random.default_rng(4)
        p, q, k = rng.normal(size=200), rng.uniform(size=200), rng.choice([5, 7, 7, -2, 11, 30], size=200)
        rows = "".join(f"{a},{b},{c},{a * b + (c == 7)}\n" for a, b, c in zip(p, q, k))
        run = ("model:\n  inputs: {a: {shape: [2]}, k: {shape: [1], dtype: int64}}\n  layers:\n"
               "    - Discretization: {num_bins: 5, output_mode: multi_hot, inputs: a}\n"
               "    - IntegerLookup: {output_mode: one_hot, max_tokens: 4, inputs: k}\n"
               "    - Concatenate: {inputs: [discretization, integer_lookup]}\n    - Dense: {units: 1}\n"
               "data:\n  train: {path: t.csv, columns: {x: {a: [p, q], k: k}, y: y}}\n"
               "training: {loss: mse, optimizer: {SGD: {learning_rate: 0.1}}, batch_size: 10, epochs: 1}\noutput: run\n")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "t.csv").write_text("p,q,k,y\n" + rows)
            (folder / "run.yaml").write_text(run)
            np.savez(folder / "in.npz", a=np.stack([p, q], 1).astype("float32"), k=k[:, None].astype("int64"))
            for args in (["train", "run.yaml"], ["convert", "run", "m.keras"], ["predict", "m.keras", "--inputs", "in.npz", "--outputs", "out.npz"]):
                done = subprocess.run([keras_files.DLTOOL, *args], cwd=folder, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)
            model = self.K.models.load_model(folder / "m.keras")
            layers = self.K.layers
            bins, keys = layers.Discretization(num_bins=5), layers.IntegerLookup(max_tokens=4)
            bins.adapt(np.stack([p, q], 1).astype("float32"))
            keys.adapt(k[:, None])
            np.testing.assert_allclose(model.get_layer("discretization").bin_boundaries, bins.bin_boundaries, rtol=1e-6)
            self.assertEqual([int(v) for v in model.get_layer("integer_lookup").get_vocabulary()], [int(v) for v in keys.get_vocabulary()])
            out = np.load(folder / "out.npz")
            y = model([np.stack([p, q], 1).astype("float32"), k[:, None]])
            np.testing.assert_allclose(out[out.files[0]], np.asarray(y), rtol=1e-5, atol=1e-6)


if __name__ == "__main__":
    unittest.main(verbosity=2)
