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
        results.append(float(keras.ops.convert_to_numpy(metric.result())))
    return results


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
    write("metrics.json", cases)


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
callbacks()
