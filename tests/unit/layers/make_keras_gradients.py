#!/usr/bin/env python3
"""Writes keras_gradients_<backend>.yaml: outputs and gradients of layers as real Keras 3.15 computes them, and the paths and
.weights.h5 groups of their weights, for keras_gradients_test.cpp. Inputs, weights and the factors of the loss are not stored:
both sides make them with `numbers`.

Run by hand after adding a case, from the root; the second where torch differs from Keras's own reference or lacks the case:
  .venv-oracle/bin/python tests/unit/layers/make_keras_gradients.py torch
  PYTHON tests/unit/layers/make_keras_gradients.py tensorflow      (PYTHON: keras==3.15.1 tensorflow-cpu==2.21.0)
"""
import json
import os
import pathlib
import re
import sys
import tempfile

BACKEND = sys.argv[1]
os.environ["KERAS_BACKEND"] = BACKEND
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import h5py  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402

from keras_gradient_cases import CASES  # noqa: E402


keras.layers.Equalization.compute_output_spec = lambda self, x, **_: keras.KerasTensor(x.shape, x.dtype)


def numbers(seed, shape):
    """In [-1, 1), from a linear congruential generator."""
    state, values = seed * 7919 + 1, []
    for _ in range(int(np.prod(shape))):
        state = (state * 1103515245 + 12345) % 2**31
        values.append((state >> 8) / 2**22 - 1)
    return np.array(values, "float32").reshape(shape)


def kept(sample, step):
    """Which steps of a masked input count; none of sample 2."""
    return sample != 2 and (sample * 7 + step * 3 + 1) % 5 >= 2


def make_input(case, i):
    shape = (case["batch"], *case["shapes"][i])
    x = numbers(1 + i, shape)
    if case["integers"]:
        return np.floor((x + 1) / 2 * case["integers"]).astype("int32")
    if i in case["masked"]:
        for n in range(shape[0]):
            for t in range(shape[1]):
                x[n, t] = x[n, t] if kept(n, t) else 0
    return x


def make_weight(weight, j):
    x = numbers(101 + j, weight.shape)
    return np.abs(x) + np.float32(0.1) if "variance" in weight.path else x


def is_layer(value):
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], dict)


def keras_layer(class_name, config):
    def convert(value):
        if is_layer(value):
            return keras_layer(*value)
        if isinstance(value, list) and value and is_layer(value[0]):
            return [keras_layer(*v) for v in value]
        return value
    return getattr(keras.layers, class_name)(**{k: convert(v) for k, v in config.items()})


def spec_value(value):
    if is_layer(value):
        return {value[0]: {k: spec_value(v) for k, v in value[1].items()}}
    if isinstance(value, (list, tuple)):
        return [spec_value(v) for v in value]
    return value


def spec_text(case, name, outputs):
    refs = [f"m{i}" if i in case["masked"] else f"x{i}" for i in range(len(case["shapes"]))]
    dtype = ", dtype: int32" if case["integers"] else ""
    lines = ["inputs:"] + [f"  x{i}: {{shape: {json.dumps(list(s))}{dtype}}}" for i, s in enumerate(case["shapes"])] + ["layers:"]
    lines += [f"  - Masking: {{name: m{i}, inputs: [x{i}]}}" for i in case["masked"]]
    config = {k: spec_value(v) for k, v in {**case["config"], **case["call"]}.items()}
    if case["before"]:
        config_before = {k: spec_value(v) for k, v in case["before"][1].items()}
        lines.append(f"  - {case['before'][0]}: {json.dumps({**config_before, 'name': 'before', 'inputs': refs})}")
        refs = ["before"]
    lines.append(f"  - {case['layer']}: {json.dumps({**config, 'name': name, 'inputs': refs})}")
    if outputs > 1:
        lines.append("outputs: " + json.dumps([name] + [f"{name}:{k}" for k in range(1, outputs)]))
    return "\n".join(lines) + "\n"


def build(case):
    keras.utils.clear_session()
    sources = [keras.Input(s, dtype="int32" if case["integers"] else "float32") for s in case["shapes"]]
    values = [keras.layers.Masking(name=f"m{i}")(x) if i in case["masked"] else x for i, x in enumerate(sources)]
    if case["before"]:
        values = [keras_layer(case["before"][0], {**case["before"][1], "name": "before"})(values[0])]
    layer = keras_layer(case["layer"], case["config"])
    listed = layer.__module__.startswith("keras.src.layers.merging") or "attention" in layer.__module__ or case["layer"] == "HashedCrossing"
    if "multi_head" in layer.__module__ or "grouped_query" in layer.__module__:
        y = layer(*values, **case["call"])
    elif listed or len(values) == 1:
        y = layer(values if listed else values[0], **case["call"])
    elif case["layer"] == "CategoryEncoding":
        y = layer(values[0], count_weights=values[1])
    elif case["layer"] == "Softmax":
        y = layer(values[0], mask=keras.ops.greater(values[1], 0.5))
    elif case["layer"].endswith("Cell"):
        y = layer(values[0], values[1:])
        y = [y[0], *y[1]]
    else:
        y = layer(values[0], initial_state=values[1:] if len(values) > 2 else values[1], **case["call"])
    return keras.Model(sources, keras.tree.flatten(y) if isinstance(y, (list, tuple)) else y), layer


def gradients(model, xs, training, forward):
    weights = list(model.trainable_weights)
    if BACKEND == "torch":
        import torch
        xs = [torch.tensor(x, requires_grad=x.dtype == np.float32) for x in xs]
        ys = model(xs, training=training)
        ys = ys if isinstance(ys, (list, tuple)) else [ys]
        loss = sum((y * torch.tensor(numbers(201 + k, y.shape))).sum() for k, y in enumerate(ys))
        loss.backward()
        zero = lambda v: np.zeros(v.shape, "float32")  # noqa: E731
        grad = lambda v: zero(v) if v.grad is None else v.grad.numpy()  # noqa: E731
        return [y.detach().numpy() for y in ys], [grad(x) for x in xs if x.requires_grad], [grad(w.value) for w in weights]
    import tensorflow as tf
    xs = [tf.constant(x) for x in xs]
    floats = [x for x in xs if x.dtype == tf.float32]
    with tf.GradientTape() as tape:
        tape.watch(floats)
        ys = model(xs, training=training)
        ys = ys if isinstance(ys, (list, tuple)) else [ys]
        loss = sum(tf.reduce_sum(y * numbers(201 + k, y.shape)) if y.dtype.is_floating else tf.zeros(()) for k, y in enumerate(ys))
    if forward:
        return [y.numpy() for y in ys], [], []
    grads = tape.gradient(loss, floats + [w.value for w in weights], unconnected_gradients="zero")
    grads = [tf.convert_to_tensor(g).numpy() for g in grads]
    return [y.numpy() for y in ys], grads[:len(floats)], grads[len(floats):]


def ordered(layer):
    """As in .h5 files."""
    return layer.trainable_weights + layer.non_trainable_weights


def groups(model, layer):
    """The group of each weight in .weights.h5, below its layer."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/m.weights.h5"
        model.save_weights(path)
        with h5py.File(path) as file:
            def visit(name, node):
                match = re.fullmatch(r"layers/[^/]+/(?:(.*)/)?vars/\d+", name)
                if match and isinstance(node, h5py.Dataset):
                    found.setdefault(node[()].tobytes(), match[1] or "")
            file.visititems(visit)
    return [found[np.asarray(w.value.detach() if BACKEND == "torch" else w.value).tobytes()] for w in ordered(layer)]


def packed(array):
    return {"shape": list(array.shape), "values": [float(f"{v:.8g}") for v in np.asarray(array).reshape(-1)]}


def run(case):
    case = {"masked": [], "integers": 0, "call": {}, "batch": 2, "training": False, "before": None, "forward": False, **case}
    model, layer = build(case)
    for j, weight in enumerate(ordered(model)):
        weight.assign(make_weight(weight, j))
    copies = lambda weights: [np.array(keras.ops.convert_to_numpy(w)) for w in weights]  # noqa: E731
    values = lambda: (copies(layer.trainable_weights), copies(layer.non_trainable_weights))  # noqa: E731
    before, others_before = values()
    weights, paths, objects = [list(w.shape) for w in ordered(model)], [w.path for w in ordered(layer)], groups(model, layer)
    ys, dxs, dws = gradients(model, [make_input(case, i) for i in range(len(case["shapes"]))], case["training"], case["forward"])
    after, others = values()
    state = [a for a, b in zip(after, before) if (a != b).any()]  # SpectralNormalization sets the kernel
    if case["training"] and any((a != b).any() for a, b in zip(others_before, others)):
        state += others
    return {"class": case["layer"], "model": spec_text(case, layer.name, len(ys)), "training": case["training"], "forward": case["forward"], "batch": case["batch"],
            "masked": case["masked"], "integers": case["integers"], "weights": weights, "paths": paths, "objects": objects,
            "y": [packed(y) for y in ys], "dx": [packed(d) for d in dxs], "dw": [packed(d) for d in dws],
            "state": [packed(a) for a in state]}


def main():
    lines = [f"# Made by {pathlib.Path(__file__).name} with Keras {keras.__version__} ({BACKEND}); do not edit.", "cases:"]
    for case in CASES:
        if case.get("backend", "torch") != BACKEND:
            continue
        try:
            lines.append("  - " + json.dumps(run({k: v for k, v in case.items() if k != "backend"})))
        except Exception:
            print("in", case, file=sys.stderr)
            raise
    out = pathlib.Path(__file__).with_name(f"keras_gradients_{BACKEND}.yaml")
    out.write_text("\n".join(lines) + "\n")
    print(out, out.stat().st_size, "bytes", len(lines) - 2, "cases")


main()
