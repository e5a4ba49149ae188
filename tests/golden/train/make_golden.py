#!/usr/bin/env python3
"""Numbers of schedules, metrics and callbacks from Keras itself, for tests/unit/train.

  KERAS_BACKEND=torch python tests/golden/train/make_golden.py     (keras==3.15.1, torch==2.13.0, numpy)

Each file is JSON; the unit tests run every case of it. Configurations are written as in a run file.
"""

import json
import os
import pathlib
import warnings

os.environ.setdefault("KERAS_BACKEND", "torch")
import keras  # noqa: E402
import numpy as np  # noqa: E402

assert keras.__version__ == "3.15.1", keras.__version__
HERE = pathlib.Path(__file__).parent
warnings.simplefilter("ignore")


def short(value):
    """Nine digits, which is what float32 needs."""
    if isinstance(value, dict):
        return {key: short(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [short(v) for v in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


def write(name, cases):
    text = ",\n".join(json.dumps(case) for case in cases)
    (HERE / name).write_text("[\n" + text + "\n]\n")


def disputed(step, config):
    """Whether rounding decides the period of CosineDecayRestarts: NumPy and PyTorch differ there."""
    t = config.get("t_mul", 2.0)
    if "first_decay_steps" not in config or t == 1.0:
        return False
    restart = np.log(1.0 - step / config["first_decay_steps"] * (1.0 - t)) / np.log(t)
    return step > 0 and abs(restart - round(restart)) < 1e-5


def schedules():
    cases = []
    many = list(range(0, 70)) + [99, 100, 101, 127, 121, 364, 1000, 1270, 12345]
    for name, config in [
        ("ExponentialDecay", dict(initial_learning_rate=0.1, decay_steps=10, decay_rate=0.9)),
        ("ExponentialDecay", dict(initial_learning_rate=0.1, decay_steps=7, decay_rate=0.5, staircase=True)),
        ("PiecewiseConstantDecay", dict(boundaries=[5, 10, 30], values=[1.0, 0.5, 0.25, 0.1])),
        ("PiecewiseConstantDecay", dict(boundaries=[12], values=[0.3, 0.03])),
        ("PolynomialDecay", dict(initial_learning_rate=0.1, decay_steps=30)),
        ("PolynomialDecay", dict(initial_learning_rate=0.1, decay_steps=9, end_learning_rate=0.01, power=2.5)),
        ("PolynomialDecay", dict(initial_learning_rate=0.1, decay_steps=9, end_learning_rate=0.01, power=0.5, cycle=True)),
        ("InverseTimeDecay", dict(initial_learning_rate=0.1, decay_steps=4, decay_rate=0.5)),
        ("InverseTimeDecay", dict(initial_learning_rate=0.1, decay_steps=4, decay_rate=0.5, staircase=True)),
        ("CosineDecay", dict(initial_learning_rate=0.1, decay_steps=35)),
        ("CosineDecay", dict(initial_learning_rate=0.1, decay_steps=20, alpha=0.1)),
        ("CosineDecay", dict(initial_learning_rate=0.001, decay_steps=20, alpha=0.05, warmup_target=0.2, warmup_steps=11)),
        ("CosineDecay", dict(initial_learning_rate=0.5, decay_steps=20, warmup_target=0.2)),
        ("CosineDecayRestarts", dict(initial_learning_rate=0.1, first_decay_steps=5)),
        ("CosineDecayRestarts", dict(initial_learning_rate=0.1, first_decay_steps=4, t_mul=1.0, m_mul=0.9, alpha=0.1)),
        ("CosineDecayRestarts", dict(initial_learning_rate=0.1, first_decay_steps=6, t_mul=1.5, m_mul=0.8)),
        ("CosineDecayRestarts", dict(initial_learning_rate=0.1, first_decay_steps=10, t_mul=1.1, m_mul=0.9)),
        ("CosineDecayRestarts", dict(initial_learning_rate=0.1, first_decay_steps=25, t_mul=1.2)),
        ("CosineDecayRestarts", dict(initial_learning_rate=0.1, first_decay_steps=1, t_mul=3.0)),
    ]:
        schedule = getattr(keras.optimizers.schedules, name)(**config)
        steps = [step for step in many if not disputed(step, config)]
        rates = [float(keras.ops.convert_to_numpy(schedule(step))) for step in steps]
        cases.append(dict(schedule={name: config}, steps=steps, rates=rates))
    write("schedules.json", cases)


def run_metric(make, batches):
    metric = make()
    results = []
    for y_true, y_pred, weights in batches:
        metric.update_state(y_true, y_pred, sample_weight=weights)
        results.append(keras.ops.convert_to_numpy(metric.result()).astype(float).ravel().tolist())
    return results


def losses():
    """Losses with every reduction, weights and masks; the gradient is that of the loss with respect to y_pred."""
    import torch

    rng = np.random.default_rng(11)
    cases = []

    def softmax(x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def add(name, config, y_true, y_pred, reductions=("sum_over_batch_size",), weights=None, mask=None):
        for reduction in reductions:
            pred = torch.tensor(np.asarray(y_pred, "float32"), requires_grad=True)
            if mask is not None:
                keras.src.backend.set_keras_mask(pred, torch.tensor(mask))
            loss = getattr(keras.losses, name)(reduction=reduction, **config)
            weight = None if weights is None else torch.tensor(np.asarray(weights, "float32"))
            value = loss(torch.tensor(y_true), pred, sample_weight=weight)
            value.backward()
            cases.append(dict(
                loss={name: {**config, "reduction": reduction}}, y_true=np.asarray(y_true, float).ravel().tolist(), true_shape=list(y_true.shape),
                integer=bool(np.issubdtype(y_true.dtype, np.integer)), y_pred=pred.detach().numpy().astype(float).ravel().tolist(),
                pred_shape=list(y_pred.shape), weights=None if weights is None else np.asarray(weights, float).tolist(),
                mask=None if mask is None else np.asarray(mask, float).ravel().tolist(), mask_shape=None if mask is None else list(mask.shape),
                value=float(value), gradient=pred.grad.numpy().astype(float).ravel().tolist()))

    every = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight")
    f = lambda *shape: rng.normal(size=shape).astype("float32")  # noqa: E731
    p = lambda *shape: rng.random(shape).astype("float32")  # noqa: E731
    one_hot = lambda classes, *shape: np.eye(classes, dtype="float32")[rng.integers(0, classes, shape)]  # noqa: E731
    mask = lambda *shape: rng.random(shape) < 0.6  # noqa: E731
    binary = lambda *shape: rng.integers(0, 2, shape).astype("float32")  # noqa: E731
    index = lambda classes, *shape: rng.integers(0, classes, shape)  # noqa: E731
    weights = np.array([0.5, 2.0, 0.0, 1.0], "float32")

    for name in ("MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "LogCosh", "Huber", "CosineSimilarity"):
        add(name, {}, f(4, 3), f(4, 3), every)
        add(name, {}, f(4, 3), f(4, 3), every, weights=weights)
        add(name, {}, f(4, 5, 3), f(4, 5, 3), every, mask=mask(4, 5))
    for name in ("MeanSquaredLogarithmicError", "Poisson", "KLDivergence"):
        add(name, {}, p(4, 3) + 0.05, p(4, 3) + 0.05, every, weights=weights)
        add(name, {}, p(4, 5, 3) + 0.05, p(4, 5, 3) + 0.05, every, mask=mask(4, 5))
    add("MeanSquaredError", {}, f(4), f(4, 1), every, weights=weights)
    add("MeanSquaredError", {}, f(4, 3), f(4, 3), every, weights=np.zeros(4, "float32"))
    add("MeanSquaredError", {}, f(4, 5, 3), f(4, 5, 3), every, mask=np.zeros((4, 5), bool))
    add("CosineSimilarity", {"axis": 1}, f(4, 5, 3), f(4, 5, 3))
    for name in ("Hinge", "SquaredHinge"):
        for t in (binary(4, 3), np.ones((4, 3), "float32"), 2 * binary(4, 3) - 1, f(4, 3)):
            add(name, {}, t, f(4, 3), every[:2])
    add("CategoricalHinge", {}, one_hot(4, 5), f(5, 4), every)

    for config in ({}, {"label_smoothing": 0.1}):
        add("BinaryCrossentropy", config, binary(4, 3), p(4, 3), every, weights=weights)
        add("BinaryCrossentropy", {**config, "from_logits": True}, binary(4, 3), 3 * f(4, 3), every)
        add("CategoricalCrossentropy", config, one_hot(5, 4), softmax(f(4, 5)), every, weights=weights)
        add("CategoricalCrossentropy", {**config, "from_logits": True}, one_hot(5, 4, 3), 3 * f(4, 3, 5), every, mask=mask(4, 3))
    add("BinaryCrossentropy", {"axis": 1}, binary(4, 3, 2), p(4, 3, 2))
    add("CategoricalCrossentropy", {"axis": 1}, np.moveaxis(one_hot(3, 4, 2), -1, 1), np.moveaxis(softmax(f(4, 2, 3)), -1, 1))
    add("SparseCategoricalCrossentropy", {}, index(5, 4), softmax(f(4, 5)), every, weights=weights)
    add("SparseCategoricalCrossentropy", {"from_logits": True}, index(5, 4, 3), 3 * f(4, 3, 5), every, mask=mask(4, 3))
    for reduction in (every,):
        add("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": 2}, index(4, 4, 3), f(4, 3, 4), reduction)
        add("SparseCategoricalCrossentropy", {"from_logits": True, "ignore_class": -1}, index(4, 4, 3) - 1, f(4, 3, 4), reduction, mask=mask(4, 3))
    add("SparseCategoricalCrossentropy", {"from_logits": True, "axis": 1}, index(3, 4, 2), f(4, 3, 2))
    for config in ({}, {"gamma": 1.5, "apply_class_balancing": True, "alpha": 0.7}, {"label_smoothing": 0.2}):
        add("BinaryFocalCrossentropy", config, binary(4, 3), 0.02 + 0.96 * p(4, 3), every, weights=weights)
    for config in ({}, {"gamma": 1.0, "alpha": 0.7}, {"alpha": [0.1, 0.5, 1.0]}, {"label_smoothing": 0.2}):
        add("CategoricalFocalCrossentropy", config, one_hot(3, 4), softmax(f(4, 3)), every[:2], weights=weights)
        add("CategoricalFocalCrossentropy", {**config, "from_logits": True}, one_hot(3, 4), f(4, 3))
    for q in (0.2, 0.5, 0.9):
        add("CategoricalGeneralizedCrossEntropy", {"q": q}, index(5, 4), softmax(f(4, 5)), every, weights=weights)
    for name, config in (("Dice", {}), ("Dice", {"axis": [1, 2]}), ("Tversky", {}), ("Tversky", {"alpha": 0.3, "beta": 0.8}), ("Tversky", {"axis": [1]})):
        keys = {k: tuple(v) if k == "axis" else v for k, v in config.items()}
        add(name, keys, binary(4, 3, 2), p(4, 3, 2), every[:2])
    unit = lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)  # noqa: E731
    for config in ({}, {"gamma": 20.0, "margin": 0.25}, {"remove_diagonal": False}):
        add("Circle", config, np.array([0, 1, 0, 2, 1, 0, 2, 2]), unit(f(8, 4)), every)
    labels = np.array([[1, 3, 2, 0], [2, 2, 0, 0], [4, 0, 0, 0], [1, 2, 3, 4]])
    add("CTC", {}, labels, 2 * f(4, 9, 5), every)
    add("CTC", {}, labels, 2 * f(4, 9, 5), every, weights=weights)
    add("CTC", {}, np.zeros((2, 3), int), f(2, 4, 3))
    write("losses.json", short(cases))


def metrics():
    rng = np.random.default_rng(3)
    cases = []

    def add(spec, make, batches, loss=None):
        cases.append(
            dict(
                metric=spec,
                batches=[
                    dict(
                        y_true=np.asarray(t).astype(float).ravel().tolist(),
                        true_shape=list(t.shape),
                        integer=bool(np.issubdtype(t.dtype, np.integer)),
                        y_pred=[float(x) for x in p.ravel()],
                        pred_shape=list(p.shape),
                        weights=None if w is None else [float(x) for x in w.ravel()],
                    )
                    for t, p, w in batches
                ],
                results=run_metric(make, batches),
            )
        )

    def softmax(x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return (e / e.sum(-1, keepdims=True)).astype("float32")

    def grid(x):  # values on a coarse grid: ties, and values at the thresholds themselves
        return (np.round(x * 20) / 20).astype("float32")

    def binary_batches(shape, weighted=False, last=5):
        out = []
        for n in (16, 16, last):
            p = rng.random((n, *shape)).astype("float32")
            t = (rng.random((n, *shape)) < p * 0.8 + 0.1).astype("float32")
            out.append((t, grid(p) if n == last else p, rng.random(n).astype("float32") * (rng.random(n) < 0.8) if weighted else None))
        return out

    def class_batches(classes, sparse, weighted=False, time=None, ties=False):
        out = []
        for n in (16, 16, 5):
            lead = (n,) if time is None else (n, time)
            logits = rng.normal(size=(*lead, classes)) * 2
            p = softmax(logits)
            if ties:
                p = grid(p)
            label = rng.integers(0, classes, lead)
            label = np.where(rng.random(lead) < 0.5, p.argmax(-1), label)
            t = label.astype("int64") if sparse else np.eye(classes, dtype="float32")[label]
            w = (rng.random(lead) < 0.7).astype("float32") if weighted else None
            out.append((t, p, w))
        return out

    m = keras.metrics
    add("binary_accuracy", m.BinaryAccuracy, binary_batches((1,)))
    add("binary_accuracy", m.BinaryAccuracy, binary_batches((3,), weighted=True))
    add({"BinaryAccuracy": {"threshold": 0.3}}, lambda: m.BinaryAccuracy(threshold=0.3), binary_batches((2, 4)))
    for ties in (False, True):
        add("categorical_accuracy", m.CategoricalAccuracy, class_batches(7, False, ties=ties))
        add("sparse_categorical_accuracy", m.SparseCategoricalAccuracy, class_batches(7, True, ties=ties))
        add({"TopKCategoricalAccuracy": {"k": 3}}, lambda: m.TopKCategoricalAccuracy(k=3), class_batches(7, False, ties=ties))
        add({"SparseTopKCategoricalAccuracy": {"k": 2}}, lambda: m.SparseTopKCategoricalAccuracy(k=2), class_batches(7, True, ties=ties))
    add("sparse_top_k_categorical_accuracy", m.SparseTopKCategoricalAccuracy, class_batches(9, True))
    add("categorical_accuracy", m.CategoricalAccuracy, class_batches(4, False, weighted=True, time=6))
    add("sparse_categorical_accuracy", m.SparseCategoricalAccuracy, class_batches(4, True, weighted=True, time=6))

    for config in (
        {},
        {"num_thresholds": 7},
        {"curve": "PR"},
        {"curve": "PR", "num_thresholds": 11, "summation_method": "majoring"},
        {"curve": "PR", "summation_method": "minoring"},
        {"num_thresholds": 21, "summation_method": "majoring"},
        {"num_thresholds": 21, "summation_method": "minoring"},
        {"num_thresholds": 2},
    ):
        add({"AUC": config}, lambda: m.AUC(**config), binary_batches((1,)))
    add("AUC", m.AUC, binary_batches((1,), weighted=True))
    add({"AUC": {"num_thresholds": 21}}, lambda: m.AUC(num_thresholds=21), class_batches(3, False, ties=True))
    logits = [(t, (np.log(p + 0.01) - np.log(1.01 - p)).astype("float32"), w) for t, p, w in binary_batches((1,))]
    add({"AUC": {"from_logits": True}}, lambda: m.AUC(from_logits=True), logits)
    for name in ("Precision", "Recall"):
        make = getattr(m, name)
        add(name, make, binary_batches((1,)))
        add({name: {"thresholds": 0.35}}, lambda: make(thresholds=0.35), binary_batches((4,), weighted=True))
        add({name: {"class_id": 2}}, lambda: make(class_id=2), class_batches(4, False))
        add({name: {"thresholds": 1.0}}, lambda: make(thresholds=1.0), binary_batches((1,)))

    def regression(shape, weighted=False):
        out = []
        for n in (16, 7):
            t = rng.normal(size=(n, *shape)).astype("float32")
            out.append((t, (t + rng.normal(size=t.shape) * 0.3).astype("float32"), rng.random(n).astype("float32") if weighted else None))
        return out

    for name in ("MeanSquaredError", "RootMeanSquaredError", "MeanAbsoluteError"):
        add(name, getattr(m, name), regression((1,)))
        add(name, getattr(m, name), regression((3, 2)))
        add(name, getattr(m, name), regression((3,), weighted=True))
    add("binary_crossentropy", m.BinaryCrossentropy, binary_batches((3,)))
    add({"BinaryCrossentropy": {"label_smoothing": 0.2}}, lambda: m.BinaryCrossentropy(label_smoothing=0.2), binary_batches((1,), weighted=True))
    add({"BinaryCrossentropy": {"from_logits": True}}, lambda: m.BinaryCrossentropy(from_logits=True), logits)
    add("categorical_crossentropy", m.CategoricalCrossentropy, class_batches(5, False, ties=True))
    add({"CategoricalCrossentropy": {"label_smoothing": 0.1}}, lambda: m.CategoricalCrossentropy(label_smoothing=0.1), class_batches(5, False, time=3))
    add({"CategoricalCrossentropy": {"from_logits": True}}, lambda: m.CategoricalCrossentropy(from_logits=True), class_batches(5, False, weighted=True))
    add("sparse_categorical_crossentropy", m.SparseCategoricalCrossentropy, class_batches(5, True, ties=True))
    add({"SparseCategoricalCrossentropy": {"from_logits": True}}, lambda: m.SparseCategoricalCrossentropy(from_logits=True), class_batches(5, True, time=2))
    # Edge cases: one class only, weights of zero, one sample.
    ones = [(np.ones((6, 1), "float32"), rng.random((6, 1)).astype("float32"), None)]
    zeros = [(np.zeros((6, 1), "float32"), rng.random((6, 1)).astype("float32"), None)]
    unweighted = [(t, p, np.zeros(len(t), "float32")) for t, p, _ in binary_batches((1,))]
    for edge in (ones, zeros, unweighted):
        for name in ("AUC", "Precision", "Recall", "TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives", "BinaryAccuracy"):
            add(name, getattr(m, name), edge)
        add({"AUC": {"curve": "PR"}}, lambda: m.AUC(curve="PR"), edge)
        add({"PrecisionAtRecall": {"recall": 0.5}}, lambda: m.PrecisionAtRecall(0.5), edge)
        add({"SensitivityAtSpecificity": {"specificity": 0.5}}, lambda: m.SensitivityAtSpecificity(0.5), edge)

    for config in ({}, {"thresholds": 0.3}, {"thresholds": [0.2, 0.5, 0.7]}, {"thresholds": [0.0, 0.25, 0.5, 0.75, 1.0]}):
        for name in ("TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives"):
            add({name: config}, lambda: getattr(m, name)(**config), binary_batches((3,), weighted=True))
    for name in ("Precision", "Recall"):
        for config in ({"thresholds": [0.2, 0.5, 0.7]}, {"thresholds": [0.0, 0.5, 1.0]}, {"top_k": 2}, {"top_k": 1, "class_id": 1},
                       {"top_k": 3, "thresholds": 0.2}, {"class_id": 0, "thresholds": [0.1, 0.9]}):
            add({name: config}, lambda: getattr(m, name)(**config), class_batches(5, False, ties="top_k" not in config))
    for config in ({"thresholds": [0.7, 0.1, 0.4]}, {"thresholds": [0.25, 0.5, 0.75]}, {"curve": "PRGAIN"}, {"curve": "PRGAIN", "num_thresholds": 9},
                   {"thresholds": [0.3, 0.6], "curve": "PR", "summation_method": "minoring"}):
        add({"AUC": config}, lambda: m.AUC(**config), binary_batches((1,), weighted=True))
    for config in ({"multi_label": True}, {"multi_label": True, "num_labels": 3, "label_weights": [0.2, 0.5, 2.0]},
                   {"multi_label": True, "curve": "PR"}, {"label_weights": [0.2, 0.5, 2.0]}, {"multi_label": True, "thresholds": [0.3, 0.8]}):
        add({"AUC": config}, lambda: m.AUC(**config), binary_batches((3,)))
    for name, key in (("PrecisionAtRecall", "recall"), ("RecallAtPrecision", "precision"), ("SensitivityAtSpecificity", "specificity"),
                      ("SpecificityAtSensitivity", "sensitivity")):
        for config in ({key: 0.3}, {key: 0.8, "num_thresholds": 21}, {key: 0.6, "num_thresholds": 1}, {key: 0.55, "class_id": 1}):
            add({name: config}, lambda: getattr(m, name)(**config), binary_batches((3,), weighted=True))

    for name, extra in (("F1Score", {}), ("FBetaScore", {}), ("FBetaScore", {"beta": 2.0})):
        for config in ({}, {"average": "micro"}, {"average": "macro"}, {"average": "weighted"}, {"average": "macro", "threshold": 0.4}):
            keys = {**config, **extra}
            add({name: keys}, lambda: getattr(m, name)(**keys), [(t, p, None if w is None else w[:, 0] if w.ndim > 1 else w)
                                                                 for t, p, w in class_batches(4, False, weighted=True, ties=True)])

    def labels(classes, weighted=False, shape=()):
        out = []
        for n in (16, 7):
            t = rng.integers(0, classes, (n, *shape))
            p = np.where(rng.random(t.shape) < 0.6, t, rng.integers(0, classes, t.shape)).astype("float32")
            out.append((t.astype("int64"), p, rng.integers(0, 4, t.shape).astype("float32") if weighted else None))
        return out

    for config in ({}, {"ignore_class": 1}):
        add({"IoU": {"num_classes": 4, "target_class_ids": [0, 2], **config}},
            lambda: m.IoU(num_classes=4, target_class_ids=[0, 2], **config), labels(4, weighted=True))
        add({"MeanIoU": {"num_classes": 5, **config}}, lambda: m.MeanIoU(num_classes=5, **config), labels(4, shape=(3,)))
        add({"OneHotIoU": {"num_classes": 4, "target_class_ids": [1, 3], **config}},
            lambda: m.OneHotIoU(num_classes=4, target_class_ids=[1, 3], **config), class_batches(4, False, ties=True))
        add({"OneHotMeanIoU": {"num_classes": 4, **config}}, lambda: m.OneHotMeanIoU(num_classes=4, **config), class_batches(4, False, time=3))
    add({"MeanIoU": {"num_classes": 4, "sparse_y_pred": False}}, lambda: m.MeanIoU(num_classes=4, sparse_y_pred=False), class_batches(4, True, time=3))
    add("BinaryIoU", m.BinaryIoU, binary_batches((2, 3)))
    add({"BinaryIoU": {"target_class_ids": [1], "threshold": 0.3}}, lambda: m.BinaryIoU(target_class_ids=[1], threshold=0.3), binary_batches((4,)))

    for config in ({}, {"class_aggregation": None}, {"class_aggregation": "variance_weighted_average"}, {"num_regressors": 3}):
        add({"R2Score": config}, lambda: m.R2Score(**config), regression((3,), weighted=True))
    add("R2Score", m.R2Score, regression((1,)))
    for name in ("CosineSimilarity", "PearsonCorrelation", "ConcordanceCorrelation"):
        add(name, getattr(m, name), regression((5,), weighted=True))
        add({name: {"axis": 1}}, lambda: getattr(m, name)(axis=1), regression((4, 3)))
    positive = [(np.abs(t) + 0.1, np.abs(p), w) for t, p, w in regression((3,), weighted=True)]
    for name in ("MeanAbsolutePercentageError", "MeanSquaredLogarithmicError", "LogCoshError", "Poisson", "KLDivergence"):
        add(name, getattr(m, name), positive)
    for name in ("Hinge", "SquaredHinge"):
        add(name, getattr(m, name), binary_batches((3,), weighted=True))
        add(name, getattr(m, name), regression((2, 3)))
    add("CategoricalHinge", m.CategoricalHinge, class_batches(5, False))
    add({"SparseCategoricalCrossentropy": {"ignore_class": 1}}, lambda: m.SparseCategoricalCrossentropy(ignore_class=1), class_batches(5, True))
    add({"CategoricalCrossentropy": {"axis": 1}}, lambda: m.CategoricalCrossentropy(axis=1),
        [(np.moveaxis(t, -1, 1), np.moveaxis(p, -1, 1), None) for t, p, _ in class_batches(4, False, time=3)])
    wrapper = lambda f: lambda: m.MeanMetricWrapper(f)  # noqa: E731
    add("huber", wrapper(keras.losses.huber), regression((3,), weighted=True))
    add("binary_focal_crossentropy", wrapper(keras.losses.binary_focal_crossentropy), binary_batches((3,)))
    add("categorical_focal_crossentropy", wrapper(keras.losses.categorical_focal_crossentropy), class_batches(5, False))
    add({"SparseTopKCategoricalAccuracy": {"k": 2, "from_sorted_ids": True}},
        lambda: m.SparseTopKCategoricalAccuracy(k=2, from_sorted_ids=True),
        [(rng.integers(0, 4, 12), np.stack([rng.permutation(4) for _ in range(12)]).astype("float32"), None)])
    write("metrics.json", short(cases))


class Model:
    """What the callbacks touch of a model."""

    def __init__(self):
        self.stop_training = False
        self.optimizer = keras.optimizers.SGD(learning_rate=0.1)
        self.weights = None
        self.metrics = []

    def get_weights(self):
        return self.now

    def set_weights(self, weights):
        self.restored = weights

    def save(self, path, overwrite=True):
        self.saved = True


def callbacks():
    cases = []
    rng = np.random.default_rng(5)
    falling = [float(np.float32(v)) for v in 1 / np.arange(1, 25) ** 0.5 + rng.normal(size=24) * 0.05]
    plateau = [float(np.float32(v)) for v in [1, 0.8, 0.7, 0.7, 0.7001, 0.69995, 0.71, 0.7, 0.69, 0.7, 0.7, 0.7, 0.7, 0.7, 0.6, 0.61, 0.61, 0.61, 0.61, 0.61]]
    holes = [1.0, 0.5, None, 0.6, None, 0.55, 0.4, 0.6, 0.6, 0.6]
    nan = [0.5, float("nan"), 0.4, 0.6, float("inf"), 0.6]
    first_nan = [float("nan"), 0.5, 0.4, 0.3]
    series = dict(falling=falling, plateau=plateau, holes=holes, nan=nan, first_nan=first_nan, flat=[0.5] * 12, rising=[-v for v in plateau])
    configs = {
        "EarlyStopping": [
            {},
            {"patience": 2},
            {"patience": 3, "min_delta": 0.01},
            {"patience": 1, "mode": "max"},
            {"patience": 2, "baseline": 0.65},
            {"patience": 2, "baseline": 0.1, "restore_best_weights": True},
            {"patience": 2, "restore_best_weights": True},
            {"patience": 1, "start_from_epoch": 4, "restore_best_weights": True},
            {"patience": 2, "min_delta": -0.05, "mode": "max", "start_from_epoch": 1},
        ],
        "ReduceLROnPlateau": [
            {},
            {"patience": 2},
            {"patience": 1, "factor": 0.5, "min_delta": 0},
            {"patience": 1, "cooldown": 2, "factor": 0.3},
            {"patience": 0, "min_lr": 0.02},
            {"patience": 2, "mode": "max", "min_delta": 0.05, "cooldown": 1},
        ],
        "ModelCheckpoint": [
            {"save_best_only": True},
            {"save_best_only": True, "mode": "max"},
            {"save_best_only": True, "initial_value_threshold": 0.75},
        ],
    }
    for name, options in configs.items():
        for config in options:
            for label, values in series.items():
                model = Model()
                keywords = dict(config)
                if name == "ModelCheckpoint":
                    keywords["filepath"] = "x.keras"
                callback = getattr(keras.callbacks, name)(monitor="val_loss", **keywords)
                callback.set_model(model)
                callback.on_train_begin()
                epochs = []
                stopped = None
                for epoch, value in enumerate(values):
                    model.now, model.saved = epoch, False
                    callback.on_epoch_begin(epoch)
                    logs = {"loss": 1.0} if value is None else {"loss": 1.0, "val_loss": value}
                    callback.on_epoch_end(epoch, logs)
                    epochs.append(dict(rate=float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)), saved=model.saved))
                    if model.stop_training:
                        stopped = epoch
                        break
                model.restored = None
                callback.on_train_end()
                text = [None if v is None else repr(v) for v in values]
                cases.append(dict(callback={name: config}, series=label, values=text, epochs=epochs, stopped=stopped, restored=model.restored))
    write("callbacks.json", cases)


schedules()
metrics()
losses()
callbacks()
