#!/usr/bin/env python3
"""Writes keras_values.yaml: layers, weights, inputs and outputs as real Keras computes them, for keras_values_test.cpp.

Run it by hand in .venv-oracle after adding a case: .venv-oracle/bin/python tests/unit/layers/make_keras_values.py
"""
import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "torch"
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers as L  # noqa: E402

rng = np.random.default_rng(7)
N = 2


def normal(*shape):
    return rng.normal(size=(N, *shape)).astype("float32")


def ints(*shape):
    return rng.integers(0, 5, size=(N, *shape)).astype("int32")


# What dltool reads, the Keras layer it must equal, the input.
CASES = [
    ("Dense: {units: 3, activation: gelu}", lambda: L.Dense(3, activation="gelu"), normal(4)),
    ("Conv1D: {filters: 3, kernel_size: 3, padding: causal, dilation_rate: 2}", lambda: L.Conv1D(3, 3, padding="causal", dilation_rate=2), normal(7, 2)),
    ("Conv1D: {filters: 4, kernel_size: 4, padding: same, strides: 2, groups: 2}", lambda: L.Conv1D(4, 4, padding="same", strides=2, groups=2), normal(7, 2)),
    ("Conv2D: {filters: 3, kernel_size: [3, 2], strides: 2, padding: same, activation: relu}", lambda: L.Conv2D(3, (3, 2), 2, "same", activation="relu"), normal(6, 5, 2)),
    ("Conv2D: {filters: 2, kernel_size: 3, dilation_rate: 2}", lambda: L.Conv2D(2, 3, dilation_rate=2), normal(6, 5, 2)),
    ("DepthwiseConv2D: {kernel_size: 3, depth_multiplier: 2}", lambda: L.DepthwiseConv2D(3, depth_multiplier=2), normal(5, 4, 2)),
    ("DepthwiseConv2D: {kernel_size: 3, strides: 2, padding: same}", lambda: L.DepthwiseConv2D(3, 2, "same"), normal(5, 4, 2)),
    ("Conv2DTranspose: {filters: 2, kernel_size: 3, strides: 2}", lambda: L.Conv2DTranspose(2, 3, 2), normal(3, 2, 3)),
    ("Conv2DTranspose: {filters: 2, kernel_size: 3, strides: 2, padding: same}", lambda: L.Conv2DTranspose(2, 3, 2, "same"), normal(3, 2, 3)),
    ("Conv2DTranspose: {filters: 2, kernel_size: 4, strides: 2, padding: same}", lambda: L.Conv2DTranspose(2, 4, 2, "same"), normal(3, 2, 3)),
    ("Conv2DTranspose: {filters: 2, kernel_size: 2, strides: 3}", lambda: L.Conv2DTranspose(2, 2, 3), normal(3, 2, 3)),
    ("Conv2DTranspose: {filters: 2, kernel_size: 2, strides: 3, padding: same}", lambda: L.Conv2DTranspose(2, 2, 3, "same"), normal(3, 2, 3)),
    ("Conv2DTranspose: {filters: 2, kernel_size: 3, dilation_rate: 2}", lambda: L.Conv2DTranspose(2, 3, dilation_rate=2), normal(3, 2, 3)),
    ("Conv2DTranspose: {filters: 2, kernel_size: 3, strides: 2, padding: same, output_padding: 1}", lambda: L.Conv2DTranspose(2, 3, 2, "same", output_padding=1), normal(3, 2, 3)),
    ("Conv2DTranspose: {filters: 2, kernel_size: 5, strides: 3, output_padding: 2}", lambda: L.Conv2DTranspose(2, 5, 3, output_padding=2), normal(3, 2, 3)),
    ("MaxPooling1D: {pool_size: 3, strides: 2, padding: same}", lambda: L.MaxPooling1D(3, 2, "same"), normal(6, 2)),
    ("MaxPooling2D: {pool_size: [2, 3]}", lambda: L.MaxPooling2D((2, 3)), normal(6, 7, 2)),
    ("AveragePooling1D: {pool_size: 2}", lambda: L.AveragePooling1D(2), normal(6, 2)),
    ("AveragePooling2D: {pool_size: 2, strides: 1}", lambda: L.AveragePooling2D(2, 1), normal(4, 3, 2)),
    ("GlobalMaxPooling1D:", lambda: L.GlobalMaxPooling1D(), normal(4, 2)),
    ("GlobalMaxPooling2D: {keepdims: true}", lambda: L.GlobalMaxPooling2D(keepdims=True), normal(4, 3, 2)),
    ("GlobalAveragePooling1D:", lambda: L.GlobalAveragePooling1D(), normal(4, 2)),
    ("GlobalAveragePooling2D:", lambda: L.GlobalAveragePooling2D(), normal(4, 3, 2)),
    ("BatchNormalization:", lambda: L.BatchNormalization(), normal(3, 2)),
    ("BatchNormalization: {axis: 1, center: false, epsilon: 0.01}", lambda: L.BatchNormalization(axis=1, center=False, epsilon=0.01), normal(3, 2)),
    ("LayerNormalization:", lambda: L.LayerNormalization(), normal(3, 4)),
    ("LayerNormalization: {scale: false}", lambda: L.LayerNormalization(scale=False), normal(3, 4)),
    ("Embedding: {input_dim: 5, output_dim: 3}", lambda: L.Embedding(5, 3), ints(4)),
    ("LSTM: {units: 3}", lambda: L.LSTM(3), normal(4, 2)),
    ("LSTM: {units: 3, return_sequences: true, go_backwards: true, recurrent_activation: hard_sigmoid}", lambda: L.LSTM(3, return_sequences=True, go_backwards=True, recurrent_activation="hard_sigmoid"), normal(4, 2)),
    ("LSTM: {units: 3, activation: relu, use_bias: false}", lambda: L.LSTM(3, activation="relu", use_bias=False), normal(4, 2)),
    ("GRU: {units: 3}", lambda: L.GRU(3), normal(4, 2)),
    ("GRU: {units: 3, reset_after: false, return_sequences: true}", lambda: L.GRU(3, reset_after=False, return_sequences=True), normal(4, 2)),
    ("Bidirectional: {layer: {LSTM: {units: 3, return_sequences: true}}}", lambda: L.Bidirectional(L.LSTM(3, return_sequences=True)), normal(4, 2)),
    ("Bidirectional: {layer: {GRU: {units: 3}}, merge_mode: mul}", lambda: L.Bidirectional(L.GRU(3), merge_mode="mul"), normal(4, 2)),
    ("Permute: {dims: [3, 1, 2]}", lambda: L.Permute((3, 1, 2)), normal(2, 3, 4)),
    ("Reshape: {target_shape: [4, -1]}", lambda: L.Reshape((4, -1)), normal(2, 6)),
    ("Flatten: {data_format: channels_first}", lambda: L.Flatten(data_format="channels_first"), normal(2, 3, 2)),
    ("ZeroPadding2D: {padding: [[1, 0], [2, 1]]}", lambda: L.ZeroPadding2D(((1, 0), (2, 1))), normal(2, 2, 1)),
    ("UpSampling2D: {size: [2, 3]}", lambda: L.UpSampling2D((2, 3)), normal(2, 2, 1)),
    ("Rescaling: {scale: [0.5, 2], offset: -1}", lambda: L.Rescaling([0.5, 2.0], -1.0), normal(3, 2)),
    ("Normalization: {mean: [1, 2], variance: [4, 9]}", lambda: L.Normalization(mean=[1.0, 2.0], variance=[4.0, 9.0]), normal(3, 2)),
    ("ReLU: {max_value: 1.5, negative_slope: 0.1, threshold: 0.5}", lambda: L.ReLU(1.5, 0.1, 0.5), normal(9)),
    ("ReLU: {negative_slope: 0.1}", lambda: L.ReLU(negative_slope=0.1), normal(9)),
    ("LeakyReLU:", lambda: L.LeakyReLU(), normal(9)),
    ("Softmax: {axis: 1}", lambda: L.Softmax(axis=1), normal(3, 4)),
]

ACTIVATIONS = ("linear relu relu6 leaky_relu elu selu celu gelu silu softmax log_softmax sigmoid tanh softplus softsign hard_sigmoid hard_silu "
               "hard_tanh hard_shrink soft_shrink tanh_shrink mish glu log_sigmoid sparse_plus sparse_sigmoid squareplus exponential").split()
GRID = np.array([[-30, -6, -3.01, -2.5, -1.5, -1, -0.5, -0.3], [0, 0.3, 0.5, 1, 1.5, 2.7, 6.5, 20]], "float32")

# Layers on a sequence whose mask an Embedding makes: 0 is padding, first, in the middle and at the end.
TOKENS = np.array([[1, 2, 0, 3, 0], [0, 0, 4, 1, 2], [0, 0, 0, 0, 0]], "int32")
MASKED = [
    ("LSTM: {units: 2}", lambda: L.LSTM(2)),
    ("LSTM: {units: 2, return_sequences: true, go_backwards: true}", lambda: L.LSTM(2, return_sequences=True, go_backwards=True)),
    ("GRU: {units: 2, return_sequences: true}", lambda: L.GRU(2, return_sequences=True)),
    ("Bidirectional: {layer: {LSTM: {units: 2, return_sequences: true}}}", lambda: L.Bidirectional(L.LSTM(2, return_sequences=True))),
    ("Bidirectional: {layer: {GRU: {units: 2}}}", lambda: L.Bidirectional(L.GRU(2))),
]


def packed(array):
    array = np.asarray(array)
    return {"shape": list(array.shape), "values": [float(f"{v:.9g}") for v in array.reshape(-1)]}


def randomize(weights):
    for weight in weights:
        value = rng.normal(size=weight.shape, scale=0.7)
        weight.assign(np.abs(value) + 0.1 if "variance" in weight.name else value)


def layer_cases():
    for text, make, x in CASES + [(f"Activation: {{activation: {name}}}", lambda name=name: L.Activation(name), GRID) for name in ACTIVATIONS]:
        source = keras.Input(x.shape[1:], dtype=x.dtype)
        model = keras.Model(source, make()(source))
        randomize(model.weights)
        layer = model.layers[-1]
        yield {"layers": f"  - {text}\n", "inputs": [packed(x)], "integers": x.dtype == np.int32, "weights": [packed(w) for w in layer.weights], "output": packed(model.predict(x, verbose=0))}
    for text, make in MASKED:
        source = keras.Input((5,), dtype="int32")
        model = keras.Model(source, make()(L.Embedding(5, 3, mask_zero=True)(source)))
        randomize(model.weights)
        yield {"layers": f"  - Embedding: {{input_dim: 5, output_dim: 3, mask_zero: true}}\n  - {text}\n", "inputs": [packed(TOKENS)], "integers": True,
               "weights": [packed(w) for w in model.weights], "output": packed(model.predict(TOKENS, verbose=0))}
    query, value = keras.Input((3, 4)), keras.Input((5, 6))
    model = keras.Model([query, value], L.MultiHeadAttention(2, 3, value_dim=4, output_shape=5)(query, value))
    randomize(model.weights)
    q, v = normal(3, 4), normal(5, 6)
    yield {"layers": "  - MultiHeadAttention: {num_heads: 2, key_dim: 3, value_dim: 4, output_shape: 5, inputs: [x0, x1]}\n", "inputs": [packed(q), packed(v)],
           "integers": False, "weights": [packed(w) for w in model.weights], "output": packed(model.predict([q, v], verbose=0))}


def loss_cases():
    p = keras.ops.softmax(normal(4) * 3, axis=-1)
    p = np.asarray(p)
    extreme = np.array([[1, 0, 0, 0], [0.5, 0.5, 0, 0]], "float32")
    logits = normal(4) * 4
    one_hot = np.eye(4, dtype="float32")[[2, 0]]
    index = np.array([2, 0], "int64")
    binary = np.array([[1, 0, 1, 1], [0, 0, 1, 0]], "float32")
    y, z = normal(3, 4), normal(3, 4) * 2
    K = keras.losses
    for text, loss, t, o in [
        ("sparse_categorical_crossentropy", K.SparseCategoricalCrossentropy(), index, p),
        ("sparse_categorical_crossentropy", K.SparseCategoricalCrossentropy(), index, extreme),
        ("{SparseCategoricalCrossentropy: {from_logits: true}}", K.SparseCategoricalCrossentropy(from_logits=True), index, logits),
        ("categorical_crossentropy", K.CategoricalCrossentropy(), one_hot, p),
        ("categorical_crossentropy", K.CategoricalCrossentropy(), one_hot, extreme),
        ("{categorical_crossentropy: {from_logits: true, label_smoothing: 0.1}}", K.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1), one_hot, logits),
        ("{categorical_crossentropy: {label_smoothing: 0.2}}", K.CategoricalCrossentropy(label_smoothing=0.2), one_hot, p),
        ("bce", K.BinaryCrossentropy(), binary, p),
        ("bce", K.BinaryCrossentropy(), binary, extreme),
        ("{BinaryCrossentropy: {from_logits: true, label_smoothing: 0.1}}", K.BinaryCrossentropy(from_logits=True, label_smoothing=0.1), binary, logits),
        ("mse", K.MeanSquaredError(), y, z),
        ("mean_absolute_error", K.MeanAbsoluteError(), y, z),
        ("Huber", K.Huber(), y, z),
        ("{huber: {delta: 0.3}}", K.Huber(delta=0.3), y, z),
    ]:
        yield {"loss": text, "y_true": packed(t), "y_pred": packed(o), "value": float(loss(t, o))}


out = pathlib.Path(__file__).with_name("keras_values.yaml")
sections = {"layers": list(layer_cases()), "losses": list(loss_cases())}
lines = [f"# Made by {pathlib.Path(__file__).name} with Keras {keras.__version__} (torch); do not edit."]
for name, cases in sections.items():
    lines.append(f"{name}:")
    lines += ["  - " + json.dumps(case) for case in cases]
out.write_text("\n".join(lines) + "\n")
print(out, out.stat().st_size, "bytes")
