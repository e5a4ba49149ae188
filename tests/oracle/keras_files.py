"""What test_keras2_files.py and test_keras3_files.py do with their Keras: it writes models that dltool reads, and real Keras 3 and tf-keras
read what dltool writes: every layer, whole models, networks of keras.applications, and training that goes on in the other program."""

import filecmp
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import zipfile

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow  # noqa: E402
import tf_keras  # noqa: E402

import keras_cases  # noqa: E402

# Its own gives the input back, which a functional model takes for a cycle.
keras.layers.Equalization.compute_output_spec = lambda self, x, **_: keras.KerasTensor(x.shape, x.dtype)

DLTOOL = os.environ["DLTOOL"]
ATOL, RTOL = 2e-5, 2e-5
GROUP = int(os.environ.get("KERAS_FILES_GROUP", "40"))


def same_bytes(a, b):
    """Also of two .keras files whose metadata tell other dates."""
    if a.suffix != ".keras":
        return filecmp.cmp(a, b, shallow=False)
    with zipfile.ZipFile(a) as first, zipfile.ZipFile(b) as second:
        names = [name for name in first.namelist() if name != "metadata.json"]
        return first.namelist() == second.namelist() and all(first.read(name) == second.read(name) for name in names)


class Judge:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.failures, self.checks = [], 0

    def fail(self, name, step, message):
        self.failures.append(f"{name}: {step}: {str(message)[:1500]}")

    def run(self, name, step, *args):
        done = subprocess.run([DLTOOL, *map(str, args)], capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        if done.returncode != 0:
            self.fail(name, step, done.stderr or f"exit {done.returncode}")
        return done.returncode == 0

    def same(self, name, step, expected, found):
        self.checks += 1
        if len(expected) != len(found):
            return self.fail(name, step, f"{len(found)} outputs, not {len(expected)}")
        for i, (a, b) in enumerate(zip(expected, found)):
            b = np.asarray(b)
            if a.shape != b.shape:
                return self.fail(name, step, f"output {i}: shape {b.shape}, not {a.shape}")
            if not np.allclose(a, b, rtol=RTOL, atol=ATOL * max(1, float(np.abs(a).max(initial=0)))):
                return self.fail(name, step, f"output {i}: differs by {np.abs(a.astype(float) - b).max()}")

    def predict(self, name, step, path, outputs):
        """dltool's outputs for the inputs of the model, in order; None when it failed."""
        out = self.folder / "out.npz"
        out.unlink(missing_ok=True)
        if not self.run(name, step, "predict", path, "--inputs", self.folder / f"{name}.npz", "--outputs", out):
            return None
        arrays = np.load(out)
        return [arrays[key] for key in arrays.files][:outputs]

    def inputs_of(self, K, model, c, name):
        rng = np.random.default_rng(5)
        arrays = {}
        for tensor in model.inputs:
            shape = tuple(n if n is not None else (3 if i == 0 else 6) for i, n in enumerate(tensor.shape))
            if "int" in str(tensor.dtype):
                arrays[tensor.name] = rng.integers(0, 7, shape).astype("int32")
            else:
                x = rng.uniform(-1, 1, shape).astype("float32")
                number = tensor.name.split("_in")[0][1:] if c else ""
                if number.isdigit() and len(shape) > 2 and dict(c)[int(number)].get("masked"):
                    x[0, 1::2] = 0
                    x[1, :2] = 0
                if number.isdigit() and dict(c)[int(number)].get("batch") == 1:
                    x = x[:1].repeat(3, 0)
                arrays[tensor.name] = x
        np.savez(self.folder / f"{name}.npz", **arrays)
        return list(arrays.values())

    @staticmethod
    def randomize(model):
        rng = np.random.default_rng(11)
        weights = []
        for w in model.weights:
            value = rng.uniform(-0.5, 0.5, w.shape)
            path = getattr(w, "path", w.name)
            weights.append((np.abs(value) + 0.5 if "variance" in path else value).astype(str(w.dtype).replace("<dtype: '", "").replace("'>", "")))
        model.set_weights(weights)
        for layer in model.layers:
            if type(layer).__name__ == "Normalization":
                layer.finalize_state()

    @staticmethod
    def call(model, inputs):
        y = model(inputs if len(inputs) > 1 else inputs[0], training=False)
        return [np.asarray(v) for v in keras_cases.flatten(y if isinstance(y, (list, tuple)) else [y])]

    def loaded(self, name, step, K, path, inputs, expected, weights):
        try:
            model = K.models.load_model(str(path), compile=False)
            found = self.call(model, inputs)
        except Exception as error:  # whatever Keras raises is the finding
            return self.fail(name, step, repr(error))
        self.same(name, step, expected, found)
        key = lambda w: (w.shape, w.tobytes())  # noqa: E731
        if sorted(map(key, weights)) != sorted(map(key, model.get_weights())):
            self.fail(name, step, "the weights are not bit-equal")

    def model(self, name, K, model, cases=None, keras2=True, keras3=True):
        self.randomize(model)
        inputs = self.inputs_of(K, model, cases, name)
        expected = self.call(model, inputs)
        weights = model.get_weights()
        for suffix in (".keras",) if cases and cases[0][1]["layer"] in keras_cases.NO_H5 else (".keras", ".h5"):
            path = self.folder / (name + suffix)
            model.save(str(path))
            found = self.predict(name, f"predict {suffix}", path, len(expected))
            if found is None:
                continue
            self.same(name, f"predict {suffix}", expected, found)
            targets = [(tf_keras, "2.h5", "2")] if keras2 else []
            targets += [(keras, ".keras", "3"), (keras, "3.h5", "3")] if keras3 else []
            for reader, end, version in targets:
                target = self.folder / f"{name}-out{end}"
                step = f"{suffix} -> {end}"
                if not self.run(name, step, "convert", path, target, "--keras-version", version, "--no-verify", "--force"):
                    continue
                # What Keras says of a file holds for the same bytes made from the other source.
                first = self.folder / f"{name}-first{end}"
                if first.exists() and same_bytes(first, target):
                    self.checks += 1
                    continue
                self.loaded(name, step, reader, target, inputs, expected, weights)
                shutil.copy(target, first)

    # ---- training goes on
    def train(self, name, K, optimizer, loss, classes):
        """Keras trains; then Keras and dltool go on from Keras's file, and Keras from dltool's, and all end with the same weights."""
        rng = np.random.default_rng(3)
        x = rng.normal(0, 1, (24, 5)).astype("float32")
        y = rng.integers(0, classes, 24).astype("int32") if classes else rng.normal(0, 1, (24, 3)).astype("float32")
        np.savez(self.folder / f"{name}-data.npz", x=x, y=y)
        layers = K.layers
        model = K.Sequential([K.Input((5,), name="x"), layers.Dense(8, use_bias=False, name="a"), layers.BatchNormalization(name="n"),
                              layers.Activation("tanh", name="t"), layers.Dense(3, activation="softmax" if classes else None, name="b")])
        model.compile(optimizer=optimizer(K), loss=loss, metrics=["accuracy" if classes else "mae"])

        def fit(m, epochs):
            # Operation by operation: for the few steps here, making a graph takes twice as long.
            tensorflow.config.run_functions_eagerly(True)
            try:
                m.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
            finally:
                tensorflow.config.run_functions_eagerly(False)

        fit(model, 2)
        # Keras 3.15 gives two variables of Adafactor one name in a .h5, and fails.
        suffixes = (".keras",) if K is keras and isinstance(model.optimizer, K.optimizers.Adafactor) else (".keras", ".h5")
        for suffix in suffixes:
            model.save(str(self.folder / (name + suffix)))
        fit(model, 2)
        after = [np.array(w) for w in model.get_weights()]
        version = "2" if K is tf_keras else "3"
        for suffix in suffixes:
            source, step = self.folder / (name + suffix), f"train on from {suffix}"
            data = {"train": {"format": "npz", "path": f"{name}-data.npz", "y": "y", **({"classes": classes} if classes else {})}, "shuffle": False}
            run = self.folder / f"{name}{suffix}.yaml"
            run.write_text(json.dumps({"model": str(source), "data": data, "training": {"batch_size": 8, "epochs": 2}}))
            shutil.rmtree(self.folder / f"{name}-run", ignore_errors=True)
            if self.run(name, step, "train", run, "-q", "-o", self.folder / f"{name}-run"):
                checkpoint = sorted((self.folder / f"{name}-run/checkpoints").glob("step-*"))[-1]
                for end in (".keras", ".h5") if K is keras else (".h5",):
                    target = self.folder / f"{name}-on{end}"
                    if self.run(name, step, "convert", checkpoint, target, "--keras-version", version, "--no-verify", "--force"):
                        self.check_weights(name, f"{step} -> {end}", after, K.models.load_model(str(target), compile=False).get_weights())
            # Keras 3.15 cannot train on from a .h5, not even from its own: its optimizer does not know the model's variables.
            for end in (".keras",) if K is keras else (".h5",):
                target, step = self.folder / f"{name}-same{end}", f"{suffix} -> {end} -> fit"
                if self.run(name, step, "convert", source, target, "--keras-version", version, "--no-verify", "--force"):
                    try:
                        again = K.models.load_model(str(target))
                        fit(again, 2)
                    except Exception as error:
                        self.fail(name, step, repr(error))
                        continue
                    self.check_weights(name, step, after, again.get_weights())

    def check_weights(self, name, step, expected, found):
        self.checks += 1
        worst = max(float(np.abs(a - b).max()) for a, b in zip(expected, found))
        if worst > 1e-5:
            self.fail(name, step, f"weights differ by {worst}")


OPTIMIZERS = {
    "sgd": lambda K: K.optimizers.SGD(0.05),
    "momentum": lambda K: K.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": lambda K: K.optimizers.Adam(0.01, beta_1=0.8, clipnorm=1.0),
    "adamw": lambda K: K.optimizers.AdamW(0.01, weight_decay=0.02),
    "rmsprop": lambda K: K.optimizers.RMSprop(0.003, momentum=0.5, centered=True, epsilon=1e-3),
    "schedule": lambda K: K.optimizers.Adam(K.optimizers.schedules.ExponentialDecay(0.01, 3, 0.7)),
    "amsgrad": lambda K: K.optimizers.Adam(0.01, amsgrad=True, beta_2=0.9),
    "ema": lambda K: K.optimizers.SGD(0.05, momentum=0.9, use_ema=True, ema_momentum=0.9),
    "adadelta": lambda K: K.optimizers.Adadelta(0.5),
    "adagrad": lambda K: K.optimizers.Adagrad(0.05),
    "adamax": lambda K: K.optimizers.Adamax(0.01),
    "ftrl": lambda K: K.optimizers.Ftrl(0.05, l1_regularization_strength=0.01),
    "lion": lambda K: K.optimizers.Lion(0.001),
    "adafactor": lambda K: K.optimizers.Adafactor(0.05),
}
# Keras 2 lacks these, or loses what Nadam multiplies.
ONLY_KERAS3 = {
    "nadam": lambda K: K.optimizers.Nadam(0.01),
    "lamb": lambda K: K.optimizers.Lamb(0.01),
    "muon": lambda K: K.optimizers.Muon(0.003, weight_decay=None),
    "schedule_free": lambda K: K.optimizers.ScheduleFreeAdamW(0.01),
    "accumulation": lambda K: K.optimizers.Adam(0.01, gradient_accumulation_steps=4, use_ema=True),
    "loss_scale": lambda K: K.optimizers.LossScaleOptimizer(K.optimizers.Adam(0.01), dynamic_growth_steps=4),
    # Without momentum: Keras does not load what the optimizers in it keep. It puts the model's name before a weight's, but not after loading.
    "multi": lambda K: K.optimizers.MultiOptimizer(K.optimizers.OptimizerMap(K.optimizers.SGD(0.05), {"(.*/)?a/.*": K.optimizers.SGD(0.01)})),
}


def in_groups(cases):
    return [cases[i:i + GROUP] for i in range(0, len(cases), GROUP)]


def run_part(judge, kind, K):
    framework, old = K.__name__, K is tf_keras
    chosen = os.environ.get("KERAS_FILES_ONLY", "")
    if kind == "training":
        for name, optimizer in {**OPTIMIZERS, **({} if old else ONLY_KERAS3)}.items():
            if chosen in name:
                judge.train(f"{framework}-{name}", K, optimizer, *(("sparse_categorical_crossentropy", 3) if "adam" in name else ("mse", 0)))
    elif kind == "layers":
        cases = [(i, c) for i, c in enumerate(keras_cases.CASES) if chosen in f"{i}:{c['layer']}"]
        in_both = [keras_cases.in_keras2(c) for _, c in cases]
        hard = [keras_cases.has_hard_sigmoid(c) for _, c in cases]
        groups = [(g, True, True) for g in in_groups([c for c, b, h in zip(cases, in_both, hard) if b and not h])]
        groups += [(g, old, not old) for g in in_groups([c for c, b, h in zip(cases, in_both, hard) if b and h])]
        rest = [c for c, b in zip(cases, in_both) if not b and not old]
        for no_h5 in (False, True):
            groups += [(g, False, True) for g in in_groups([c for c in rest if (c[1]["layer"] in keras_cases.NO_H5) == no_h5])]
        for group, keras2, keras3 in groups:
            name = f"{framework}-{group[0][0]}-{group[0][1]['layer']}"
            K.backend.clear_session()
            try:
                model = keras_cases.layer_model(K, group)
            except Exception as error:
                judge.fail(name, "build", repr(error))
                continue
            judge.model(name, K, model, group, keras2, keras3)
    else:
        for name, make in (keras_cases.MODELS if kind == "models" else keras_cases.APPLICATIONS).items():
            if chosen not in name or (old and kind == "models" and name not in keras_cases.KERAS2):
                continue
            K.backend.clear_session()
            judge.model(f"{framework}-{name}", K, make(K), keras2=name in keras_cases.KERAS2)


class KerasFiles(unittest.TestCase):
    """With K, a Keras, and least, how many checks each kind has at least. KERAS_FILES_ONLY in the environment chooses by name."""

    K, least = None, {}

    def check(self, kind):
        with tempfile.TemporaryDirectory(prefix="dltool-keras-") as folder:
            judge = Judge(folder)
            run_part(judge, kind, self.K)
        self.assertEqual(judge.failures, [], "\n".join(judge.failures))
        if "KERAS_FILES_ONLY" not in os.environ:
            self.assertGreaterEqual(judge.checks, self.least[kind])

    def test_layers(self):
        self.check("layers")

    def test_models(self):
        self.check("models")

    def test_applications(self):
        self.check("applications")

    def test_training_goes_on(self):
        self.check("training")
