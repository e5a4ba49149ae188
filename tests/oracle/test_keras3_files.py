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


if __name__ == "__main__":
    unittest.main(verbosity=2)
