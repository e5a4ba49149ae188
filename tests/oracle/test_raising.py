#!/usr/bin/env python3
"""ONNX graphs raised to layers by `dltool convert`, judged by Keras: classes, numbers, weights.

Graphs of PyTorch's exporter, and of dltool's own from models of Keras. `test_raising.py NAME...` runs the cases whose names contain one of
these words."""

import collections
import os
import subprocess
import sys
import tempfile
import unittest
import warnings
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from keras import layers  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

DLTOOL = os.environ["DLTOOL"]
MOST = 2e-6  # difference in units of the largest value, at least 1


def convert(*arguments):
    done = subprocess.run([DLTOOL, "convert", *map(str, arguments), "--force"], capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise AssertionError(f"exit {done.returncode}: {done.stderr.strip()}")


class Net(nn.Module):
    """A function of modules and inputs."""

    def __init__(self, function, *modules):
        super().__init__()
        self.parts, self.function = nn.ModuleList(modules), function

    def forward(self, *inputs):
        return self.function(self.parts, *inputs)


class Vision(nn.Module):
    """A vision transformer: patches, a class token, places, two blocks."""

    def __init__(self):
        super().__init__()
        self.patches, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 3)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(1, 17, 8))
        self.blocks = encoder(2, norm_first=True, activation="gelu")

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.size(0), -1, -1), x], 1) + self.places
        return self.head(self.blocks(x)[:, 0])


class UNet(nn.Module):
    def __init__(self):
        super().__init__()

        def block(i, o):
            return nn.Sequential(nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())

        self.a, self.b, self.c = block(3, 4), block(4, 8), block(12, 4)
        self.up, self.out = nn.ConvTranspose2d(8, 8, 3, 2, 1, 1), nn.Conv2d(4, 1, 1)

    def forward(self, x):
        a = self.a(x)
        return torch.sigmoid(self.out(self.c(torch.cat([self.up(self.b(F.max_pool2d(a, 2))), a], 1))))


def encoder(count, **options):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0, **options)
    return nn.TransformerEncoder(layer, count, enable_nested_tensor=False)


def last(parts, x):
    return parts[1](parts[0](x)[0][:, -1])


def head(function):
    return Net(lambda m, x: m[1](function(m[0](x))), nn.Conv2d(3, 8, 3), nn.Linear(8, 3))


torch.manual_seed(1)
SERIES, IMAGE, ROWS = torch.randn(2, 7, 5), torch.randn(2, 3, 16, 16), torch.randn(2, 7, 8)
# name: (module, inputs, classes of the result)
TORCH = {
    "lstm": (Net(last, nn.LSTM(5, 4, batch_first=True), nn.Linear(4, 3)), [SERIES], "LSTM Dense"),
    "two bidirectional gru": (Net(lambda m, x: m[0](x)[0], nn.GRU(5, 4, 2, batch_first=True, bidirectional=True)), [SERIES],
                              "Bidirectional Bidirectional"),
    "states of lstm": (Net(lambda m, x: (lambda y, s: (y, s[0][0], s[1][0]))(*m[0](x)), nn.LSTM(5, 4, batch_first=True)), [SERIES],
                       None),
    "rnn": (Net(last, nn.RNN(5, 4, batch_first=True), nn.Linear(4, 3)), [SERIES], None),
    "attention": (Net(lambda m, x: m[0](x, x, x, need_weights=False)[0], nn.MultiheadAttention(8, 2, batch_first=True)), [ROWS], None),
    "masked attention": (Net(lambda m, x, hidden: m[0](x, x, x, key_padding_mask=hidden, need_weights=False)[0],
                             nn.MultiheadAttention(8, 2, batch_first=True)),
                         [ROWS, torch.tensor([[0] * 6 + [1], [0] * 4 + [1] * 3]).bool()], None),
    "transformer": (encoder(2), [ROWS], None),
    "vision transformer": (Vision(), [IMAGE], None),
    "unet": (UNet(), [IMAGE], "Permute Conv2D MaxPooling2D Conv2D Conv2DTranspose Cropping2D Concatenate Conv2D Conv2D Reshape"),
    "siamese": (Net(lambda m, a, b: torch.abs(m[0](a) - m[0](b)), nn.Linear(5, 4)), [SERIES, SERIES + 1], "Dense Subtract Absolute"),
    "means of maps": (head(lambda y: y.mean([2, 3])), [IMAGE], "Permute Conv2D GlobalAveragePooling2D Dense"),
    "adaptive pooling": (head(lambda y: F.adaptive_avg_pool2d(y, 1).flatten(1)), [IMAGE],
                         "Permute Conv2D GlobalAveragePooling2D Dense Flatten"),
    "group norm": (nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8), nn.Hardswish(), nn.InstanceNorm2d(8, affine=True),
                                 nn.PReLU(8), nn.PixelShuffle(2), nn.Upsample(scale_factor=2, mode="bilinear")), [IMAGE], None),
    "pads of pooling": (nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(3, 2, 1, count_include_pad=False),
                                      nn.MaxPool2d(2, dilation=2)), [IMAGE], None),
    "conversions and places": (Net(lambda m, x: m[0](x)[:, [2, 0, 1]] * (x[:, :3] > 0).float() + x.cumsum(2)[:, :3], nn.Linear(5, 5)),
                               [SERIES], None),
    "grouped transposed convolution": (nn.Sequential(nn.ConvTranspose2d(3, 4, 3, 2, 1, 1), nn.ConvTranspose2d(4, 6, 3, 2, 1, groups=2)),
                                       [IMAGE], None),
}


def dense_and(*more):
    x = i = keras.Input((7, 5))
    for layer in more:
        x = layer(x)
    return keras.Model(i, x)


def siamese():
    a, b, inner = keras.Input((8, 8, 1)), keras.Input((8, 8, 1)), keras.Sequential([layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(5)])
    return keras.Model([a, b], layers.Dense(1, activation="sigmoid")(layers.Subtract()([inner(a), inner(b)])))


def seq2seq():
    a, b = keras.Input((7, 5)), keras.Input((6, 3))
    _, h, c = layers.LSTM(4, return_state=True)(a)
    return keras.Model([a, b], layers.Dense(3)(layers.LSTM(4, return_sequences=True)(b, initial_state=[h, c])))


def bert():
    i = keras.Input((7,), dtype="int32")
    x = layers.Embedding(20, 8)(i) + layers.Embedding(7, 8)(keras.ops.arange(7))
    x = layers.LayerNormalization(epsilon=1e-6)(x + layers.MultiHeadAttention(2, 4)(x, x))
    x = layers.LayerNormalization(epsilon=1e-6)(x + layers.Dense(8)(layers.Dense(16, activation="gelu")(x)))
    return keras.Model(i, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(x)))


def functions():
    i = keras.Input((6, 4))
    x = layers.Dense(4)(i)
    return keras.Model(i, keras.ops.exp(-keras.ops.square(x)) / (1.0 + keras.ops.abs(i)) + keras.ops.mean(i, axis=1, keepdims=True))


# name: (model, its classes come back and its weights with the same bits)
KERAS = {
    "lstm": (lambda: dense_and(layers.LSTM(4, return_sequences=True), layers.LSTM(3), layers.Dense(2)), True),
    "bidirectional": (lambda: dense_and(layers.Bidirectional(layers.GRU(4, return_sequences=True)),
                                        layers.Bidirectional(layers.LSTM(3), merge_mode="sum")), True),
    "convolutions": (lambda: dense_and(layers.Conv1D(8, 3, padding="same"), layers.BatchNormalization(), layers.MaxPooling1D(2),
                                       layers.SimpleRNN(4), layers.Dense(2)), True),
    "siamese": (siamese, False),
    "seq2seq": (seq2seq, True),
    "bert": (bert, False),
    "functions": (functions, False),
}


def call(model, inputs):
    y = model(inputs if len(inputs) > 1 else inputs[0], training=False)
    return [np.asarray(t) for t in (y if isinstance(y, (list, tuple)) else [y])]


def classes(model):
    """Of its layers and functions."""
    return collections.Counter(type(o).__name__ for o in getattr(model, "operations", model.layers) if not isinstance(o, layers.InputLayer))


class Raising(unittest.TestCase):
    words = []

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def wanted(self, name):
        return not self.words or any(word in name for word in self.words)

    def raised(self, inputs, expected):
        convert(self.folder / "m.onnx", self.folder / "m.keras")
        model = keras.models.load_model(str(self.folder / "m.keras"), compile=False)
        found = call(model, [x.astype(i.dtype) for x, i in zip(inputs, model.inputs, strict=True)])
        for want, got in zip(expected, found, strict=True):
            self.assertEqual(want.shape, got.shape)
            self.assertLessEqual(float(np.abs(want.astype(np.float64) - got).max()) / max(1.0, float(np.abs(want).max())), MOST)
        return model

    def test_torch(self):
        for name, (module, inputs, wanted) in TORCH.items():
            if not self.wanted(name):
                continue
            with self.subTest(name), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for key, weight in list(module.named_parameters()) + list(module.named_buffers()):
                    if weight.is_floating_point() and weight.ndim == 1:
                        weight.data.uniform_(*((0.5, 1.5) if "weight" in key or "var" in key else (-0.5, 0.5)))
                y = module.eval()(*inputs)
                outputs = [o.detach() for o in ([y] if torch.is_tensor(y) else y)]
                names, results = [f"x{i}" for i in range(len(inputs))], [f"y{i}" for i in range(len(outputs))]
                torch.onnx.export(module, tuple(inputs), str(self.folder / "m.onnx"), dynamo=False, opset_version=17, input_names=names,
                                  output_names=results, dynamic_axes={n: {0: "batch"} for n in names + results})
                model = self.raised([x.numpy() for x in inputs], [o.numpy() for o in outputs])
                if wanted:
                    self.assertEqual(classes(model), collections.Counter(wanted.split()))

    def test_keras(self):
        for name, (make, whole) in KERAS.items():
            if not self.wanted(name):
                continue
            with self.subTest(name):
                keras.utils.set_random_seed(1)
                rng = np.random.default_rng(1)
                model = make()
                model.set_weights([rng.uniform(0.3, 1.0, w.shape).astype(w.dtype) if w.ndim == 1 else w for w in model.get_weights()])
                inputs = [rng.integers(0, 7, [2, *i.shape[1:]]).astype("int32") if "int" in i.dtype
                          else rng.standard_normal([2, *i.shape[1:]]).astype("float32") for i in model.inputs]
                model.save(str(self.folder / "source.keras"))
                convert(self.folder / "source.keras", self.folder / "m.onnx")
                again = self.raised(inputs, call(model, inputs))
                if whole:
                    self.assertEqual(classes(again), classes(model))
                    bits = lambda m: sorted((w.shape, w.tobytes()) for w in m.get_weights())  # noqa: E731
                    self.assertEqual(bits(again), bits(model))


if __name__ == "__main__":
    Raising.words = [a for a in sys.argv[1:] if not a.startswith("-")]
    unittest.main(argv=[sys.argv[0]], verbosity=0)
