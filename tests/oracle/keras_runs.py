"""Trains one network twice, in dltool and in real Keras 3 (PyTorch backend), from the same weights on the same batches.

Used by test_keras_training.py. A network is a list of (class name, config), written to dltool's run file and handed to Keras alike.
"""

import json
import os
import re
import subprocess

os.environ["KERAS_BACKEND"] = "torch"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import h5py  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(1)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DLTOOL = os.path.abspath(os.environ.get("DLTOOL", os.path.join(ROOT, "build/release/bin/dltool")))


class Network:
    """`layers`: (class, config) in order, each fed by the one before, or by the names in config["inputs"]; the input is "x". Every
    layer needs a name. Targets are normal numbers, or class numbers below `classes`, or what targets(random, shape) makes; inputs
    are normal numbers, or numbers below `tokens`, or what inputs(random, shape) makes. `more`: shapes of further inputs by name.
    `outputs`: names of several outputs, each with normal numbers for targets; loss and loss_weights are then maps. `batch`: the size of
    every batch, for stateful layers."""

    def __init__(self, shape, layers, loss="mse", classes=None, tokens=None, targets=None, inputs=None, more=None, outputs=None,
                 loss_weights=None, batch=None):
        self.shape, self.layers, self.loss = shape, layers, loss
        self.classes, self.tokens, self.targets, self.inputs = classes, tokens, targets, inputs
        self.more, self.outputs, self.loss_weights, self.batch = more or {}, outputs, loss_weights, batch

    def dltool_model(self):
        source = {"batch_shape": [self.batch, *self.shape]} if self.batch else {"shape": list(self.shape)}
        if self.tokens:
            source["dtype"] = "int32"
        sources = {"x": source, **{name: {"shape": list(shape)} for name, shape in self.more.items()}}
        model = {"inputs": sources, "layers": [{name: dict(config)} for name, config in self.layers]}
        if self.outputs:
            model["outputs"] = self.outputs
        return model

    def keras_model(self):
        x = keras.Input(batch_shape=(self.batch, *self.shape), dtype="int32" if self.tokens else "float32", name="x")
        made, last, layers = {"x": x}, x, {}
        for name, shape in self.more.items():
            made[name] = keras.Input(shape, name=name)
        sources_of_all = [made[name] for name in ("x", *self.more)]
        for name, config in self.layers:
            config = dict(config)
            sources = config.pop("inputs", None)
            if name in ("Bidirectional", "SpectralNormalization"):
                ((inner, inner_config),) = config["layer"].items()
                config["layer"] = getattr(keras.layers, inner)(**inner_config)
            if name == "RNN":
                config["cell"] = [getattr(keras.layers, inner)(**inner_config) for cell in config["cell"] for inner, inner_config in cell.items()]
            for key, value in config.items():
                for kind, module in (("_regularizer", keras.regularizers), ("_constraint", keras.constraints)):
                    if key.endswith(kind) and isinstance(value, dict):  # {L2: {l2: 0.1}}
                        ((inner, inner_config),) = value.items()
                        config[key] = getattr(module, inner)(**inner_config)
            layer = layers.get(config["name"]) or getattr(keras.layers, name)(**config)
            layers[config["name"]] = layer
            if sources is None:
                last = layer(last)
            elif name == "MultiHeadAttention":
                last = layer(*[made[s] for s in sources])
            else:
                last = layer([made[s] for s in sources]) if isinstance(sources, list) else layer(made[sources])
            made[config["name"]] = last
        if not self.outputs:
            return keras.Model(x if not self.more else sources_of_all, last)
        return keras.Model(sources_of_all, [made[name] for name in self.outputs])


def make_optimizer(name, config):
    config = dict(config)
    if "inner_optimizer" in config:
        ((inner, inner_config),) = config["inner_optimizer"].items()
        config["inner_optimizer"] = make_optimizer(inner, inner_config)
    if isinstance(config.get("learning_rate"), dict):
        ((schedule, schedule_config),) = config["learning_rate"].items()
        config["learning_rate"] = getattr(keras.optimizers.schedules, schedule)(**schedule_config)
    if "optimizer_map" in config:
        ((_, given),) = config["optimizer_map"].items()
        one = lambda optimizer: make_optimizer(*next(iter(optimizer.items())))
        # Keras puts the model's name before those of its weights.
        rules = {f"(?:[^/]+/)?{pattern}": one(optimizer) for pattern, optimizer in given["optimizer_map"].items()}
        config["optimizer_map"] = keras.optimizers.OptimizerMap(one(given["default_optimizer"]), rules)
    return getattr(keras.optimizers, name)(**config)


def make_loss(loss):
    if not isinstance(loss, dict):
        return loss
    ((name, config),) = loss.items()
    return getattr(keras.losses, name)(**config)


def scramble(model, random):
    """Noise on what does not start at random, so that biases, gammas and moving statistics count too."""
    for v in model.weights:
        if "seed_generator" in v.path:
            continue
        name = v.path.rsplit("/", 1)[1]
        start = np.array(v, dtype=np.float32)
        if start.ndim > 1 and start.any():
            continue
        noise = random.normal(0, 0.1, start.shape).astype(np.float32)
        v.assign(start + (np.abs(noise) if name == "moving_variance" else noise))


def get_weights(model):
    return {v.path: np.array(v, dtype=np.float32) for v in model.weights if "seed_generator" not in v.path}


def make_data(network, output_shape, samples, random):
    if network.inputs:
        x = network.inputs(random, (samples, *network.shape)).astype(np.float32)
    elif network.tokens:
        x = random.integers(0, network.tokens, (samples, *network.shape)).astype(np.int32)
    else:
        x = random.normal(0, 1, (samples, *network.shape)).astype(np.float32)
    if network.classes:
        y = random.integers(0, network.classes, samples).astype(np.int32)
    elif network.targets:
        y = network.targets(random, (samples, *output_shape)).astype(np.float32)
    else:
        y = random.normal(0, 1, (samples, *output_shape)).astype(np.float32)
    return x, y


def read_tree(path, group):
    values = {}
    with h5py.File(path) as file:
        file[group].visititems(lambda name, item: values.__setitem__(name, item[()]) if isinstance(item, h5py.Dataset) else None)
    return values


class Runs:
    """Both runs of one network with one optimizer: `losses` and `weights` of each, and predictions from dltool's final weights."""

    def __init__(self, folder, network, optimizer, steps=20, batch=16, seed=0, predict=True, sample_weight=False, class_weight=None):
        self.folder, self.class_weight, self.sample_weight = str(folder), class_weight, None
        os.makedirs(self.folder, exist_ok=True)
        random = np.random.default_rng(seed)
        keras.utils.set_random_seed(seed)
        model = network.keras_model()
        scramble(model, random)
        if network.outputs:
            return self.compare_many(model, network, optimizer, steps, batch, random)
        x, y = make_data(network, model.output_shape[1:], steps * batch, random)
        np.savez(self.path("initial.npz"), **get_weights(model))
        if sample_weight:
            self.sample_weight = random.uniform(0, 2, len(x)).astype(np.float32) * (random.random(len(x)) < 0.7)
        np.savez(self.path("data.npz"), x=x, y=y, **({"w": self.sample_weight} if sample_weight else {}))
        np.save(self.path("x.npy"), x)
        self.run_dltool(network, optimizer, batch, {"y": {"y": "y", "w": "w"}} if sample_weight else None)
        self.run_keras(model, network, optimizer, [x], y, batch)
        if not predict:
            return
        for v in model.weights:
            if v.path in self.dltool_weights:
                v.assign(self.dltool_weights[v.path])
        self.keras_predictions = np.asarray(model.predict(x, verbose=0, batch_size=64))
        self.dltool_predictions = self.predict()

    # Several inputs and outputs.
    def compare_many(self, model, network, optimizer, steps, batch, random):
        samples = steps * batch
        xs = {name: random.normal(0, 1, (samples, *shape)).astype(np.float32) for name, shape in (("x", network.shape), *network.more.items())}
        ys = {name: random.normal(0, 1, (samples, *shape[1:])).astype(np.float32) for name, shape in zip(network.outputs, model.output_shape)}
        np.savez(self.path("initial.npz"), **get_weights(model))
        np.savez(self.path("data.npz"), **xs, **ys)
        self.run_dltool(network, optimizer, batch, {"x": {n: n for n in xs}, "y": {n: n for n in ys}})
        self.run_keras(model, network, optimizer, list(xs.values()), ys, batch)

    def path(self, name):
        return os.path.join(self.folder, name)

    def dltool(self, *arguments):
        done = subprocess.run([DLTOOL, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise AssertionError(f"dltool {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")

    def run_dltool(self, network, optimizer, batch, fields=None):
        source = {"format": "npz", "path": "data.npz", **(fields or {"y": "y"}), **({"classes": network.classes} if network.classes else {})}
        spec = {
            "model": network.dltool_model(),
            "data": {"train": source, "shuffle": False},
            "training": {"loss": network.loss, "optimizer": {optimizer[0]: optimizer[1]}, "batch_size": batch, "epochs": 1, "log_steps": True,
                         "initial_weights": "initial.npz", **({"loss_weights": network.loss_weights} if network.loss_weights else {})},
        }
        if self.sample_weight is not None:
            source.pop("classes", None)
            spec["training"]["sample_weight"] = "w"
        if self.class_weight:
            spec["training"]["class_weight"] = {str(k): v for k, v in self.class_weight.items()}
        with open(self.path("run.yaml"), "w") as file:
            json.dump(spec, file)
        self.dltool("train", "run.yaml", "-q", "-o", "run")
        with open(self.path("run/metrics.jsonl")) as file:
            records = [json.loads(line) for line in file]
        self.dltool_losses = np.array([r["loss"] for r in records if r["type"] == "step"])
        self.checkpoint = self.path("run/checkpoints/" + sorted(os.listdir(self.path("run/checkpoints")))[-1])
        self.dltool_weights = {n: v for n, v in read_tree(self.checkpoint, "parameters").items() if n != "step"}

    def run_keras(self, model, network, optimizer, x, y, batch):
        loss = [make_loss(network.loss[name]) for name in network.outputs] if network.outputs else make_loss(network.loss)
        weights = [network.loss_weights[name] for name in network.outputs] if network.loss_weights else None
        model.compile(optimizer=make_optimizer(*optimizer), loss=loss, loss_weights=weights)
        losses = []
        for start in range(0, len(x[0]), batch):
            model.reset_metrics()  # Keras would answer with the mean since the last reset
            xs = [part[start:start + batch] for part in x]
            ys = [y[name][start:start + batch] for name in network.outputs] if network.outputs else y[start:start + batch]
            weights = None if self.sample_weight is None else self.sample_weight[start:start + batch]
            loss = model.train_on_batch(xs if len(xs) > 1 else xs[0], ys, sample_weight=weights, class_weight=self.class_weight)
            losses.append(float(np.asarray(loss).reshape(-1)[0]))
        model.optimizer.finalize_variable_values(model.trainable_variables)  # as fit() ends: moving averages become the weights
        self.keras_losses = np.array(losses)
        self.keras_weights = get_weights(model)

    def predict(self):
        self.dltool("predict", self.checkpoint, "x.npy", "-o", "predictions.npy", "-q")
        return np.load(self.path("predictions.npy"))


def model_file(path):
    """Input shape and layers of a file in models/, which keep to one line per layer: `- Class: {key: value, ...}`."""
    with open(path) as file:
        lines = [line.split("#")[0].rstrip() for line in file]
    name, shape, layers, counts = None, None, [], {}
    for line in filter(None, lines):
        if found := re.fullmatch(r"  (\w+): \{shape: (\[.*\])\}", line):
            name, shape = found[1], tuple(d if isinstance(d, int) else None for d in json.loads(found[2]))
        elif found := re.fullmatch(r"  - (\w+):(?: (\{.*\}))?", line):
            words = r'"[^"]*"|(?<![\w.])(?!true\b|false\b|null\b)[A-Za-z_]\w*'
            config = json.loads(re.sub(words, lambda word: word[0] if word[0][0] == '"' else f'"{word[0]}"', found[2] or "{}"))
            base = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", re.sub(r"(?<=.)([A-Z][a-z])", r"_\1", found[1])).replace("__", "_").lower()
            count = counts[base] = counts.get(base, -1) + 1
            if "inputs" in config:
                sources = config["inputs"] if isinstance(config["inputs"], list) else [config["inputs"]]
                renamed = ["x" if s == name else s for s in sources]
                config["inputs"] = renamed if len(renamed) > 1 else renamed[0]
            layers.append((found[1], {"name": base + (f"_{count}" if count else ""), **config}))
        elif line not in ("inputs:", "layers:"):
            raise AssertionError(f"{path}: this test cannot read: {line}")
    return shape, layers
