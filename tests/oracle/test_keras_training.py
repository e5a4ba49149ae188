"""Real Keras 3 as the judge: from the same weights on the same batches, per-step losses, final weights and predictions must agree
to float32 rounding. Run by .venv-oracle/bin/python; DLTOOL names the binary."""

import shutil
import tempfile
import unittest
from pathlib import Path

import numpy as np

import keras_runs
from keras_runs import Network, Runs

LOGITS = {"SparseCategoricalCrossentropy": {"from_logits": True}}

MLP = Network((12,), [
    ("Dense", {"units": 16, "activation": "relu", "name": "hidden"}),
    ("Dense", {"units": 12, "activation": "tanh", "name": "hidden2"}),
    ("Dense", {"units": 4, "activation": "softmax", "name": "out"}),
], "sparse_categorical_crossentropy", classes=4)

# No bias before BatchNormalization: its gradient is 0 in exact arithmetic, and Adam would turn rounding into steps.
CNN = Network((8, 8, 2), [
    ("Conv2D", {"filters": 6, "kernel_size": 3, "padding": "same", "use_bias": False, "name": "conv1"}),
    ("BatchNormalization", {"name": "bn1"}),
    ("Activation", {"activation": "relu", "name": "relu1"}),
    ("MaxPooling2D", {"pool_size": 2, "name": "pool1"}),
    ("Conv2D", {"filters": 8, "kernel_size": 3, "strides": 2, "use_bias": False, "name": "conv2"}),
    ("BatchNormalization", {"momentum": 0.9, "epsilon": 0.01, "name": "bn2"}),
    ("Activation", {"activation": "relu", "name": "relu2"}),
    ("Flatten", {"name": "flatten"}),
    ("Dense", {"units": 5, "name": "out"}),
], LOGITS, classes=5)

LSTM = Network((7, 3), [
    ("LSTM", {"units": 6, "return_sequences": True, "name": "lstm1"}),
    ("LSTM", {"units": 5, "name": "lstm2"}),
    ("Dense", {"units": 2, "name": "out"}),
], "mse")

NETWORKS = {"mlp": MLP, "cnn": CNN, "lstm": LSTM}

OPTIMIZERS = {
    "sgd": ("SGD", {"learning_rate": 0.05}),
    "sgd momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "sgd nesterov, decay": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "sgd clipvalue": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "clipvalue": 0.02}),
    "adam": ("Adam", {"learning_rate": 0.003}),
    "adam clipnorm, decay": ("Adam", {"learning_rate": 0.003, "clipnorm": 0.1, "weight_decay": 0.02, "beta_1": 0.8, "epsilon": 1e-5}),
    "adamw": ("AdamW", {"learning_rate": 0.003, "weight_decay": 0.05}),
    "adamw global_clipnorm": ("AdamW", {"learning_rate": 0.003, "global_clipnorm": 0.2}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.002}),
    "rmsprop centered, momentum, clipnorm": ("RMSprop", {"learning_rate": 0.002, "rho": 0.8, "momentum": 0.5, "centered": True, "epsilon": 1e-3,
                                                          "clipnorm": 0.5, "weight_decay": 0.01}),
}


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="dltool-oracle-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def agree(self, runs, steps, loss_tolerance=1e-6, weight_tolerance=1e-5):
        self.assertEqual(len(runs.keras_losses), steps)
        self.assertEqual(len(runs.dltool_losses), steps)
        difference = np.abs(runs.dltool_losses - runs.keras_losses) / np.maximum(1, np.abs(runs.keras_losses))
        self.assertLessEqual(difference.max(), loss_tolerance, f"losses\ndltool {runs.dltool_losses}\nkeras  {runs.keras_losses}")
        self.assertEqual(sorted(runs.dltool_weights), sorted(runs.keras_weights))
        worst = {}
        for name, expected in runs.keras_weights.items():
            self.assertEqual(runs.dltool_weights[name].shape, expected.shape, name)
            worst[name] = float(np.abs(runs.dltool_weights[name] - expected).max(initial=0))
        self.assertLessEqual(max(worst.values()), weight_tolerance, f"weights {worst}")
        scale = max(1, np.abs(runs.keras_predictions).max())
        self.assertEqual(runs.dltool_predictions.shape, runs.keras_predictions.shape)
        self.assertLessEqual(np.abs(runs.dltool_predictions - runs.keras_predictions).max() / scale, 2e-6, "predictions from equal weights")
        return difference.max(), max(worst.values())


def layer(kind, name=None, **config):
    return kind, {"name": name or kind.lower(), **config}


# Every layer of the first set that computes, with options that are easily got wrong. Dropout, GaussianNoise draw other numbers than Keras.
LAYERS = {
    "conv1d causal": Network((9, 3), [layer("Conv1D", filters=4, kernel_size=3, padding="causal", dilation_rate=2, activation="gelu"),
                                      layer("Conv1D", "same", filters=6, kernel_size=4, padding="same", strides=2, groups=2),
                                      layer("AveragePooling1D", pool_size=2, padding="same", strides=2),
                                      layer("GlobalMaxPooling1D")]),
    "conv2d groups": Network((7, 6, 4), [layer("ZeroPadding2D", padding=[[1, 0], [2, 1]]),
                                         layer("Conv2D", filters=6, kernel_size=[3, 2], strides=[2, 1], padding="same", groups=2, activation="elu"),
                                         layer("DepthwiseConv2D", kernel_size=3, depth_multiplier=2, padding="same", activation="silu"),
                                         layer("GlobalAveragePooling2D"), layer("Dense", units=3)]),
    "conv2d dilated": Network((8, 8, 2), [layer("Conv2D", filters=3, kernel_size=3, dilation_rate=2, activation="softplus"),
                                          layer("AveragePooling2D", pool_size=3, strides=2, padding="valid"),
                                          layer("GlobalMaxPooling2D")]),
    "conv2d transpose": Network((4, 3, 2), [layer("Conv2DTranspose", filters=4, kernel_size=3, strides=2, padding="same", activation="tanh"),
                                            layer("Conv2DTranspose", "valid", filters=2, kernel_size=[2, 3], strides=[1, 2]),
                                            layer("MaxPooling2D", pool_size=2, padding="same"), layer("Flatten"), layer("Dense", units=2)]),
    "residual": Network((6, 6, 3), [layer("Conv2D", "a", filters=3, kernel_size=3, padding="same"), layer("Conv2D", "b", filters=3, kernel_size=1),
                                    layer("Add", inputs=["a", "x"]), layer("Multiply", inputs=["add", "b"]),
                                    layer("Concatenate", inputs=["multiply", "a"], axis=-1), layer("Permute", dims=[3, 1, 2]),
                                    layer("Reshape", target_shape=[6, -1]), layer("LayerNormalization", epsilon=1e-3),
                                    layer("Activation", activation="leaky_relu"), layer("Flatten"), layer("Dense", units=2, activation="sigmoid")]),
    "rescaling": Network((5, 4), [layer("Rescaling", scale=0.5, offset=0.25), layer("BatchNormalization", momentum=0.8, center=False),
                                  layer("BatchNormalization", "axis1", axis=1, scale=False), layer("MaxPooling1D", pool_size=2),
                                  layer("Flatten"), layer("Dense", units=3, activation="selu"), layer("Softmax")]),
    "bidirectional lstm": Network((6, 3), [layer("Bidirectional", layer={"LSTM": {"units": 4, "return_sequences": True, "name": "lstm"}}),
                                           layer("LSTM", units=3, go_backwards=True, activation="relu", recurrent_activation="hard_sigmoid"),
                                           layer("Dense", units=2)]),
    "gru": Network((6, 3), [layer("GRU", units=4, return_sequences=True), layer("GRU", "before", units=4, reset_after=False, return_sequences=True),
                            layer("Bidirectional", layer={"GRU": {"units": 3, "name": "gru"}}, merge_mode="sum"), layer("Dense", units=2)]),
    "embedding": Network((8,), [layer("Embedding", input_dim=13, output_dim=5), layer("LSTM", units=4), layer("Dense", units=3)], LOGITS, classes=3, tokens=13),
    "embedding mask_zero": Network((8,), [layer("Embedding", input_dim=13, output_dim=5, mask_zero=True), layer("LSTM", units=4), layer("Dense", units=3)],
                                   LOGITS, classes=3, tokens=13),
    "attention": Network((5, 6), [layer("MultiHeadAttention", num_heads=2, key_dim=3, value_dim=4, inputs=["x", "x"]), layer("LayerNormalization"),
                                  layer("GlobalAveragePooling1D"), layer("Dense", units=2)]),
}

LOSSES = {
    "bce": ("binary_crossentropy", "sigmoid", lambda r, s: r.integers(0, 2, s)),
    "bce logits, smoothing": ({"BinaryCrossentropy": {"from_logits": True, "label_smoothing": 0.1}}, "linear", lambda r, s: r.integers(0, 2, s)),
    "cce": ("categorical_crossentropy", "softmax", lambda r, s: np.eye(s[1])[r.integers(0, s[1], s[0])]),
    "cce logits, smoothing": ({"CategoricalCrossentropy": {"from_logits": True, "label_smoothing": 0.1}}, "linear",
                              lambda r, s: np.eye(s[1])[r.integers(0, s[1], s[0])]),
    "mae": ("mae", "linear", lambda r, s: r.normal(0, 1, s)),
    "huber": ({"Huber": {"delta": 0.5}}, "linear", lambda r, s: r.normal(0, 1, s)),
}


class Optimizers(Case):
    def test_twenty_steps(self):
        for name, network in NETWORKS.items():
            for optimizer, config in OPTIMIZERS.items():
                with self.subTest(network=name, optimizer=optimizer):
                    loss, weight = self.agree(Runs(self.folder / f"{name}-{optimizer}".replace(" ", "-").replace(",", ""), network, config), 20)
                    print(f"{name:5s} {optimizer:40s} losses {loss:.1e}  weights {weight:.1e}", flush=True)


class Parts(Case):
    """Three steps of SGD each: the first loss judges forward, the others and the weights judge the gradients."""

    SGD = ("SGD", {"learning_rate": 0.05, "momentum": 0.9})

    def each(self, networks, steps=3):
        for number, (name, network) in enumerate(networks.items()):
            with self.subTest(name):
                loss, weight = self.agree(Runs(self.folder / str(number), network, self.SGD, steps=steps, batch=6), steps)
                print(f"{name:24s} losses {loss:.1e}  weights {weight:.1e}", flush=True)

    def test_layers(self):
        self.each(LAYERS)

    def test_losses(self):
        self.each({name: Network((6,), [layer("Dense", "hidden", units=8, activation="tanh"), layer("Dense", "out", units=4, activation=activation)], loss, targets=targets)
                   for name, (loss, activation, targets) in LOSSES.items()})

    def test_model_files(self):
        files = sorted(Path(keras_runs.ROOT, "models").glob("*.yaml"))
        self.assertGreater(len(files), 4)
        networks = {}
        for file in files:
            shape, layers = keras_runs.model_file(file)
            layers = [(kind, {**config, "rate": 0.0} if kind == "Dropout" else config) for kind, config in layers if kind != "Normalization"]
            networks[file.name] = Network(tuple(d or 12 for d in shape), layers)
        self.each(networks, steps=2)


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")  # Keras warns of NumPy 2
