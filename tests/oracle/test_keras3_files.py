"""Keras 3's files in both directions, judged by real Keras 3 and tf-keras (keras_files.py)."""

import unittest

import keras_files


class Keras3Files(keras_files.KerasFiles):
    K, least = keras_files.keras, {"layers": 1, "models": 1, "applications": 1, "training": 36}


if __name__ == "__main__":
    unittest.main(verbosity=2)
