"""The judge of test_keras_files.py: real Keras 3 and tf-keras write models that dltool reads, and read what dltool writes. Prints one JSON
object {checks, failures: [...]}. Arguments: the folder to work in, then names of parts (all without any)."""

import json
import os
import pathlib
import subprocess
import sys

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tf_keras  # noqa: E402

import keras_cases  # noqa: E402

DLTOOL = os.environ["DLTOOL"]
ATOL, RTOL = 2e-5, 2e-5
GROUP = int(os.environ.get("KERAS_FILES_GROUP", "40"))


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
        for suffix in (".keras", ".h5"):
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
                if self.run(name, step, "convert", path, target, "--keras-version", version, "--no-verify", "--force"):
                    self.loaded(name, step, reader, target, inputs, expected, weights)


def in_groups(cases):
    return [cases[i:i + GROUP] for i in range(0, len(cases), GROUP)]


def run_part(judge, part):
    kind, framework = part.split(".")
    K = {"keras": keras, "tf_keras": tf_keras}[framework]
    old = K is tf_keras
    chosen = os.environ.get("KERAS_FILES_ONLY", "")
    if kind == "layers":
        cases = [(i, c) for i, c in enumerate(keras_cases.CASES) if chosen in f"{i}:{c['layer']}"]
        both = [(i, c) for i, c in cases if keras_cases.in_keras2(c)]
        rest = [] if old else [(i, c) for i, c in cases if not keras_cases.in_keras2(c)]
        for group, keras2 in [(g, True) for g in in_groups(both)] + [(g, False) for g in in_groups(rest)]:
            name = f"{framework}-{group[0][0]}-{group[0][1]['layer']}"
            K.backend.clear_session()
            try:
                model = keras_cases.layer_model(K, group)
            except Exception as error:
                judge.fail(name, "build", repr(error))
                continue
            judge.model(name, K, model, group, keras2, not old or no_hard_sigmoid(group))
    else:
        for name, make in (keras_cases.MODELS if kind == "models" else keras_cases.APPLICATIONS).items():
            if chosen not in name or (old and kind == "models" and name not in keras_cases.KERAS2):
                continue
            K.backend.clear_session()
            judge.model(f"{framework}-{name}", K, make(K), keras2=kind == "applications" or name in keras_cases.KERAS2)


def no_hard_sigmoid(group):
    return not any("hard_sigmoid" in (c["config"].get("activation"), c["config"].get("recurrent_activation")) for _, c in group)


PARTS = ("layers.keras", "models.keras", "layers.tf_keras", "models.tf_keras", "applications.keras", "applications.tf_keras")

if __name__ == "__main__":
    judge = Judge(sys.argv[1])
    for part in sys.argv[2:] or PARTS:
        run_part(judge, part)
    print(json.dumps({"checks": judge.checks, "failures": judge.failures}))
