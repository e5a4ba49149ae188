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

# In front of a normalisation there is no bias, and relu's kink is kept away from where rounding decides.
MOBILENET = Network((10, 10, 3), [
    ("Conv2D", {"filters": 6, "kernel_size": 3, "strides": 2, "padding": "same", "use_bias": False, "name": "stem"}),
    ("BatchNormalization", {"name": "bn0"}),
    ("Activation", {"activation": "silu", "name": "act0"}),
    ("DepthwiseConv2D", {"kernel_size": 3, "padding": "same", "use_bias": False, "name": "depthwise1"}),
    ("BatchNormalization", {"name": "bn1"}),
    ("Activation", {"activation": "silu", "name": "act1"}),
    ("SeparableConv2D", {"filters": 8, "kernel_size": 3, "padding": "same", "use_bias": False, "name": "separable2"}),
    ("BatchNormalization", {"name": "bn2"}),
    ("Activation", {"activation": "silu", "name": "act2"}),
    ("GlobalAveragePooling2D", {"name": "pool"}),
    ("Dense", {"units": 4, "name": "out"}),
], LOGITS, classes=4)


def padded(random, shape):
    """Sequences of different lengths, zeros at their ends."""
    x = random.normal(0, 1, shape)
    lengths = random.integers(2, shape[1] + 1, shape[0])
    return x * (np.arange(shape[1])[None, :, None] < lengths[:, None, None])


GRU = Network((8, 3), [
    ("Masking", {"name": "masking"}),
    ("Bidirectional", {"layer": {"GRU": {"units": 4, "return_sequences": True, "name": "gru"}}, "name": "both"}),
    ("GRU", {"units": 5, "name": "gru2"}),
    ("Dense", {"units": 2, "name": "out"}),
], "mse", inputs=padded)

# The bias of the keys has no gradient in exact arithmetic: softmax does not see it.
TRANSFORMER = Network((6, 8), [
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4, "use_bias": False, "inputs": ["x", "x"], "name": "attention"}),
    ("Add", {"inputs": ["attention", "x"], "name": "add1"}),
    ("LayerNormalization", {"name": "norm1"}),
    ("Dense", {"units": 12, "activation": "gelu", "name": "wide"}),
    ("Dense", {"units": 8, "name": "narrow"}),
    ("Add", {"inputs": ["narrow", "norm1"], "name": "add2"}),
    ("LayerNormalization", {"name": "norm2"}),
    ("GlobalAveragePooling1D", {"name": "pool"}),
    ("Dense", {"units": 3, "name": "out"}),
], LOGITS, classes=3)

MULTI = Network((5,), [
    ("Dense", {"units": 7, "activation": "tanh", "inputs": "x", "name": "left"}),
    ("Dense", {"units": 7, "activation": "tanh", "inputs": "z", "name": "right"}),
    ("Concatenate", {"inputs": ["left", "right"], "name": "both"}),
    ("Dense", {"units": 6, "activation": "tanh", "name": "trunk"}),
    ("Dense", {"units": 2, "inputs": "trunk", "name": "a"}),
    ("Dense", {"units": 1, "inputs": "trunk", "name": "b"}),
], {"a": "mse", "b": {"Huber": {"delta": 0.5}}}, more={"z": (4,)}, outputs=["a", "b"], loss_weights={"a": 1.0, "b": 0.25})

AUTOENCODER = Network((8, 8, 2), [
    ("Conv2D", {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same", "activation": "tanh", "name": "encode1"}),
    ("Conv2D", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same", "activation": "tanh", "name": "encode2"}),
    ("Conv2DTranspose", {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same", "activation": "tanh", "name": "decode1"}),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "name": "decode2"}),
], "mse")

NETWORKS = {"mlp": MLP, "cnn": CNN, "mobilenet": MOBILENET, "lstm": LSTM, "gru": GRU, "transformer": TRANSFORMER, "multi": MULTI,
            "autoencoder": AUTOENCODER}

# Each optimizer on each network ...
OPTIMIZERS = {
    "sgd": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "rmsprop": ("RMSprop", {"learning_rate": 0.002}),
    "adam": ("Adam", {"learning_rate": 0.003}),
    "adamw": ("AdamW", {"learning_rate": 0.003, "weight_decay": 0.05}),
    "adadelta": ("Adadelta", {"learning_rate": 1.0}),
    "adagrad": ("Adagrad", {"learning_rate": 0.02}),
    "adafactor": ("Adafactor", {"learning_rate": 0.05}),
    "adamax": ("Adamax", {"learning_rate": 0.005}),
    "nadam": ("Nadam", {"learning_rate": 0.003}),
    "ftrl": ("Ftrl", {"learning_rate": 0.05}),
    "lamb": ("Lamb", {"learning_rate": 0.01}),
    "lion": ("Lion", {"learning_rate": 0.0005}),
    "muon": ("Muon", {"learning_rate": 0.003}),
    "schedule_free_adamw": ("ScheduleFreeAdamW", {"learning_rate": 0.005, "warmup_steps": 5}),
    "loss_scale": ("LossScaleOptimizer", {"inner_optimizer": {"Adam": {"learning_rate": 0.003}}, "dynamic_growth_steps": 5}),
}


def multi(default, rules, **config):
    return ("MultiOptimizer", {"optimizer_map": {"OptimizerMap": {"default_optimizer": default, "optimizer_map": rules}}, **config})


# ... and their keys on a small one.
VARIANTS = {
    "sgd plain": ("SGD", {"learning_rate": 0.05}),
    "sgd nesterov, decay": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "sgd clipvalue": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "clipvalue": 0.02}),
    "sgd accumulation": ("SGD", {"learning_rate": 0.05, "momentum": 0.9, "gradient_accumulation_steps": 3}),
    "adam amsgrad": ("Adam", {"learning_rate": 0.01, "amsgrad": True, "beta_2": 0.9}),
    "adam clipnorm, decay": ("Adam", {"learning_rate": 0.003, "clipnorm": 0.1, "weight_decay": 0.02, "beta_1": 0.8, "epsilon": 1e-5}),
    "adam ema": ("Adam", {"learning_rate": 0.003, "use_ema": True, "ema_momentum": 0.8}),
    "adam ema overwrite": ("Adam", {"learning_rate": 0.003, "use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 4}),
    "adam ema accumulation": ("Adam", {"learning_rate": 0.003, "use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3,
                                       "gradient_accumulation_steps": 2}),
    "adam loss_scale_factor": ("Adam", {"learning_rate": 0.003, "loss_scale_factor": 1024.0, "global_clipnorm": 0.2}),
    "adamw global_clipnorm": ("AdamW", {"learning_rate": 0.003, "global_clipnorm": 0.2}),
    "rmsprop centered, momentum, clipnorm": ("RMSprop", {"learning_rate": 0.002, "rho": 0.8, "momentum": 0.5, "centered": True, "epsilon": 1e-3,
                                                          "clipnorm": 0.5, "weight_decay": 0.01}),
    "adagrad accumulator": ("Adagrad", {"learning_rate": 0.02, "initial_accumulator_value": 0.5, "epsilon": 1e-3, "weight_decay": 0.01}),
    "adafactor keys": ("Adafactor", {"learning_rate": 0.3, "beta_2_decay": -0.5, "epsilon_2": 0.01, "clip_threshold": 0.5, "relative_step": False}),
    "nadam accumulation": ("Nadam", {"learning_rate": 0.003, "gradient_accumulation_steps": 2, "weight_decay": 0.01}),
    "ftrl keys": ("Ftrl", {"learning_rate": 0.05, "learning_rate_power": -0.4, "l1_regularization_strength": 0.01, "beta": 0.1,
                           "l2_regularization_strength": 0.02, "l2_shrinkage_regularization_strength": 0.03}),
    "muon keys": ("Muon", {"learning_rate": 0.003, "nesterov": False, "ns_steps": 3, "rms_rate": None, "exclude_layers": ["hidden2"],
                           "adam_lr_ratio": 0.5, "adam_weight_decay": None, "weight_decay": 0.1}),
    "loss_scale ema": ("LossScaleOptimizer", {"initial_scale": 64.0, "dynamic_growth_steps": 3,
                                              "inner_optimizer": {"SGD": {"learning_rate": 0.05, "momentum": 0.9, "use_ema": True}}}),
    "multi": multi({"SGD": {"learning_rate": 0.05, "momentum": 0.9}}, {
        "hidden/.*": {"Adam": {"learning_rate": 0.003, "weight_decay": 0.01}},
        "hidden2/.*": {"Nadam": {"learning_rate": {"ExponentialDecay": {"initial_learning_rate": 0.003, "decay_steps": 5, "decay_rate": 0.5}}}}}),
    "multi of everything": multi({"Nadam": {"learning_rate": 0.003, "use_ema": True, "ema_momentum": 0.9}}, {
        ".*/kernel": {"Nadam": {"learning_rate": 0.002, "clipnorm": 0.1, "gradient_accumulation_steps": 2}}}, loss_scale_factor=16.0),
    # Scales that overflow: steps are left out and the scale halves.
    "loss_scale overflow": ("LossScaleOptimizer", {"initial_scale": 2.0**127, "inner_optimizer": {"Adam": {"learning_rate": 0.003}}}),
}

class Case(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="dltool-oracle-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def agree(self, runs, steps, loss_tolerance=1e-6, weight_tolerance=1e-5, predict=True):
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
        if not predict:
            return difference.max(), max(worst.values())
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
    "constraints": Network((6, 5), [layer("Conv1D", filters=4, kernel_size=3, kernel_constraint={"MaxNorm": {"max_value": 0.5, "axis": [0, 1]}},
                                          bias_constraint={"NonNeg": {}}),
                                    layer("LSTM", units=3, kernel_constraint={"UnitNorm": {}},
                                          recurrent_constraint={"MinMaxNorm": {"min_value": 0.5, "max_value": 0.8, "rate": 0.7}}),
                                    layer("BatchNormalization", gamma_constraint={"NonNeg": {}}, beta_constraint={"MaxNorm": {"max_value": 0.1}}),
                                    layer("Dense", units=2, kernel_constraint={"MinMaxNorm": {"min_value": 0.2, "max_value": 0.4}},
                                          kernel_regularizer={"OrthogonalRegularizer": {"factor": 0.1, "mode": "columns"}})]),
    "spectral normalization": Network((6, 5, 2), [
        layer("SpectralNormalization", "sn1", layer={"Conv2D": {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "tanh", "name": "c"}},
              power_iterations=3),
        layer("Flatten"),
        layer("SpectralNormalization", "sn2", layer={"Dense": {"units": 3, "use_bias": False, "kernel_regularizer": "l2", "name": "d"}}),
        layer("Dense", units=2)]),
    "orthogonal": Network((6,), [layer("Dense", units=4, kernel_regularizer={"OrthogonalRegularizer": {"factor": 0.3}})]),
    "attention": Network((5, 6), [layer("MultiHeadAttention", num_heads=2, key_dim=3, value_dim=4, inputs=["x", "x"]), layer("LayerNormalization"),
                                  layer("GlobalAveragePooling1D"), layer("Dense", units=2)]),
}

def positive(r, s):
    return r.uniform(0.1, 2, s)


def one_hot(r, s):
    return np.eye(s[1])[r.integers(0, s[1], s[0])]


LOSSES = {
    "mape": ("mape", "linear", lambda r, s: r.normal(0, 1, s) + 3),
    "msle": ("msle", "softplus", positive),
    "log_cosh": ({"LogCosh": {"reduction": "sum"}}, "linear", lambda r, s: r.normal(0, 1, s)),
    "cosine": ("cosine_similarity", "linear", lambda r, s: r.normal(0, 1, s)),
    "kld": ("kl_divergence", "softmax", one_hot),
    "poisson": ("poisson", "softplus", positive),
    "hinge": ("hinge", "tanh", lambda r, s: r.integers(0, 2, s)),
    "squared hinge": ("squared_hinge", "tanh", lambda r, s: 2 * r.integers(0, 2, s) - 1),
    "categorical hinge": ("categorical_hinge", "linear", one_hot),
    "binary focal": ({"BinaryFocalCrossentropy": {"gamma": 1.5, "apply_class_balancing": True}}, "sigmoid", lambda r, s: r.integers(0, 2, s)),
    "categorical focal": ("categorical_focal_crossentropy", "softmax", one_hot),
    "dice": ({"Dice": {}}, "sigmoid", lambda r, s: r.integers(0, 2, s)),
    "tversky": ({"Tversky": {"alpha": 0.3, "beta": 0.7}}, "sigmoid", lambda r, s: r.integers(0, 2, s)),
    "bce": ("binary_crossentropy", "sigmoid", lambda r, s: r.integers(0, 2, s)),
    "bce logits, smoothing": ({"BinaryCrossentropy": {"from_logits": True, "label_smoothing": 0.1}}, "linear", lambda r, s: r.integers(0, 2, s)),
    "cce": ("categorical_crossentropy", "softmax", lambda r, s: np.eye(s[1])[r.integers(0, s[1], s[0])]),
    "cce logits, smoothing": ({"CategoricalCrossentropy": {"from_logits": True, "label_smoothing": 0.1}}, "linear",
                              lambda r, s: np.eye(s[1])[r.integers(0, s[1], s[0])]),
    "mae": ("mae", "linear", lambda r, s: r.normal(0, 1, s)),
    "huber": ({"Huber": {"delta": 0.5}}, "linear", lambda r, s: r.normal(0, 1, s)),
}


class Optimizers(Case):
    def each(self, name, network, optimizers, predict):
        for optimizer, config in optimizers.items():
            with self.subTest(network=name, optimizer=optimizer):
                folder = self.folder / f"{name}-{optimizer}".replace(" ", "-").replace(",", "")
                loss, weight = self.agree(Runs(folder, network, config, predict=predict), 20, predict=predict)
                print(f"{name:12s} {optimizer:40s} losses {loss:.1e}  weights {weight:.1e}", flush=True)
                shutil.rmtree(folder)

    def test_twenty_steps(self):
        for name, network in NETWORKS.items():
            self.each(name, network, OPTIMIZERS, predict=False)

    def test_keys(self):
        self.each("mlp", MLP, VARIANTS, predict=True)


class Weights(Case):
    """Weights of samples and of classes, with masks."""

    def one(self, name, network, **weights):
        with self.subTest(name):
            loss, weight = self.agree(Runs(self.folder / name, network, ("SGD", {"learning_rate": 0.05, "momentum": 0.9}), predict=False,
                                           **weights), 20, predict=False)
            print(f"{name:24s} losses {loss:.1e}  weights {weight:.1e}", flush=True)

    def test_sample_weight(self):
        for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight"):
            self.one(reduction, Network(LSTM.shape, LSTM.layers, {"MeanSquaredError": {"reduction": reduction}}), sample_weight=True)
        self.one("classes", Network(MLP.shape, MLP.layers, MLP.loss, classes=4), sample_weight=True)

    def test_class_weight(self):
        self.one("indices", MLP, class_weight={0: 0.5, 2: 3.0})
        self.one("one-hot", Network(MLP.shape, MLP.layers, "categorical_crossentropy", targets=lambda r, s: np.eye(s[1])[r.integers(0, s[1], s[0])]),
                 class_weight={1: 2.0, 3: 0.0})


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
