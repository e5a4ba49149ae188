#!/usr/bin/env python3
"""Writes the numbers of real Keras that tests/conformance/keras_golden_test.cpp compares with, one text file per case.

Needs keras==3.15.1 torch==2.13.0 numpy. Run: KERAS_BACKEND=torch python3 tests/golden/nn/make_golden.py
A line is: name, number of axes, sizes, values (float64 written so that they read back exactly).
"""
import os
import pathlib

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

keras.config.set_floatx("float64")
FOLDER = pathlib.Path(__file__).parent
random = np.random.default_rng(20)


def draw(*shape):
    return random.uniform(-1, 1, shape).round(4)


def leaf(array):
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def write(case, **arrays):
    lines = []
    for name, value in arrays.items():
        value = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        value = value.astype("float64")
        lines.append(" ".join([name, str(value.ndim), *map(str, value.shape), *(repr(float(v)) for v in value.ravel())]))
    (FOLDER / f"{case}.txt").write_text("\n".join(lines) + "\n")


def gradients(results, weights, leaves):
    total = sum((r * torch.tensor(w)).sum() for r, w in zip(results, weights))
    return torch.autograd.grad(total, leaves)


def recurrent(case, layer_class, mask=None, states=1, **config):
    layer = layer_class(3, return_sequences=True, return_state=True, **config)
    layer.build((2, 4, 5))
    layer.set_weights([draw(*w.shape) for w in layer.get_weights()])
    x, initial = leaf(draw(2, 4, 5)), [leaf(draw(2, 3)) for _ in range(states)]
    results = layer(x, initial_state=initial, mask=None if mask is None else torch.tensor(mask))
    weights = [draw(*r.shape) for r in results]
    variables = [v.value for v in layer.trainable_variables]
    found = gradients(results, weights, [x, *initial, *variables])
    names = ["x", *["h0", "c0"][:states], "kernel", "recurrent", "bias"]
    arrays = dict(zip(names, [x, *initial, *variables]))
    arrays.update(zip(["sequence", "h", "c"][: 1 + states], results))
    arrays.update(zip(["dsequence", "dh", "dc"][: 1 + states], weights))
    arrays.update({"d_" + n: g for n, g in zip(names, found)})
    if mask is not None:
        arrays["mask"] = mask
    write(case, **arrays)


MASK = np.array([[False, True, False, True], [True, True, True, False]])
recurrent("lstm", keras.layers.LSTM, states=2)
recurrent("lstm_masked", keras.layers.LSTM, mask=MASK, states=2)
recurrent("lstm_backwards", keras.layers.LSTM, mask=MASK, states=2, go_backwards=True)
recurrent("lstm_hard", keras.layers.LSTM, states=2, activation="softsign", recurrent_activation="hard_sigmoid")
recurrent("lstm_gelu", keras.layers.LSTM, states=2, activation="gelu", recurrent_activation="elu")
recurrent("gru_after", keras.layers.GRU)
recurrent("gru_after_masked", keras.layers.GRU, mask=MASK)
recurrent("gru_before", keras.layers.GRU, reset_after=False)
recurrent("gru_before_backwards", keras.layers.GRU, reset_after=False, mask=MASK, go_backwards=True)


def function(case, f, **operands):
    leaves = {n: leaf(v) for n, v in operands.items()}
    y = f(**leaves)
    dy = draw(*y.shape)
    found = torch.autograd.grad((y * torch.tensor(dy)).sum(), list(leaves.values()))
    write(case, **operands, y=y, dy=dy, **{"d_" + n: g for n, g in zip(operands, found)})


function("gelu", lambda x: keras.activations.gelu(x, approximate=False), x=4 * draw(24))
function("gelu_tanh", lambda x: keras.activations.gelu(x, approximate=True), x=4 * draw(24))
function("silu", keras.activations.silu, x=4 * draw(24))
function("softmax", keras.activations.softmax, x=5 * draw(3, 7))
function("log_softmax", keras.activations.log_softmax, x=5 * draw(3, 7))
norm = keras.layers.LayerNormalization()
norm.build((3, 7))


def layer_norm(x, gamma, beta):
    return keras.ops.layer_normalization(x, gamma, beta, axis=-1, epsilon=1e-3)


function("layer_norm", layer_norm, x=3 * draw(3, 7), gamma=draw(7), beta=draw(7))
norm.set_weights([draw(7), draw(7)])
x = 3 * draw(3, 7)
write("layer_normalization", x=x, gamma=norm.gamma.value, beta=norm.beta.value, y=norm(torch.tensor(x)))

target = random.dirichlet(np.ones(6), 4)
function("categorical_crossentropy", lambda x, target: keras.losses.categorical_crossentropy(target, x, from_logits=True), x=5 * draw(4, 6), target=target)
labels = np.array([5, 0, 2, 2])
function("sparse_categorical_crossentropy", lambda x: keras.losses.sparse_categorical_crossentropy(torch.tensor(labels), x, from_logits=True), x=5 * draw(4, 6))
function("binary_crossentropy", lambda x, target: keras.ops.binary_crossentropy(target, x, from_logits=True), x=9 * draw(4, 6), target=random.uniform(0, 1, (4, 6)))

# keras.ops.dot_product_attention takes [batch, time, heads, depth].
swap = lambda v: torch.permute(v, (0, 2, 1, 3))  # noqa: E731
attend = np.array([[True, False, True, True, False], [False, True, True, True, True]])[:, None, None, :]


def attention(q, k, v):
    return swap(keras.ops.dot_product_attention(swap(q), swap(k), swap(v), mask=torch.tensor(attend), scale=0.7))


function("attention", attention, q=2 * draw(2, 2, 3, 4), k=2 * draw(2, 2, 5, 4), v=draw(2, 2, 5, 3))


def optimizer(case, make):
    variable = keras.Variable(draw(7))
    o, arrays = make(), {"p0": variable.numpy()}
    for step in range(1, 4):
        g = draw(7)
        o.apply([torch.tensor(g)], [variable])
        arrays.update({f"g{step}": g, f"p{step}": variable.numpy().copy()})
    write(case, **arrays)


optimizer("sgd", lambda: keras.optimizers.SGD(0.1))
optimizer("sgd_momentum", lambda: keras.optimizers.SGD(0.1, momentum=0.9))
optimizer("sgd_nesterov", lambda: keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True))
optimizer("adam", lambda: keras.optimizers.Adam(0.01))
optimizer("adamw", lambda: keras.optimizers.AdamW(0.01, weight_decay=0.05))
optimizer("rmsprop", lambda: keras.optimizers.RMSprop(0.01))
optimizer("rmsprop_momentum", lambda: keras.optimizers.RMSprop(0.01, momentum=0.8))
optimizer("rmsprop_centered", lambda: keras.optimizers.RMSprop(0.01, momentum=0.8, centered=True))
