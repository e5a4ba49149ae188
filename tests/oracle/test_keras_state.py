"""Real Keras 3's fit as the judge of stateful layers, of what changes weights around a step, and of callbacks: losses of each epoch,
weights and states at the end. Run by .venv-oracle/bin/python; DLTOOL names the binary."""

import json
import math
import os
import shutil
import tempfile
import unittest
from pathlib import Path

import keras_runs
import numpy as np
from keras_runs import Network, keras

BATCH = 4


def layer(kind, name, **config):
    return kind, {"name": name, **config}


NETWORKS = {
    # With masks, which hide no step here: without, Keras's own layers fail to train on PyTorch where they are stateful.
    "lstm, gru": Network((6, 3), [layer("Masking", "masking"), layer("LSTM", "lstm", units=5, stateful=True, return_sequences=True),
                                  layer("GRU", "gru", units=4, stateful=True), layer("Dense", "out", units=2)], batch=BATCH),
    "masked, both ways": Network((6, 3), [layer("Masking", "masking"), layer("Bidirectional", "both", layer={"SimpleRNN": {
        "units": 4, "stateful": True, "return_sequences": True, "name": "rnn"}}), layer("LSTM", "lstm", units=3, stateful=True, go_backwards=True)],
        batch=BATCH, inputs=lambda r, s: r.normal(0, 1, s) * (np.arange(s[1])[None, :, None] < r.integers(2, s[1] + 1, s[0])[:, None, None])),
    "cells": Network((6, 3), [layer("RNN", "rnn", cell=[{"LSTMCell": {"units": 3, "name": "a"}}, {"GRUCell": {"units": 4, "name": "b"}}], stateful=True),
                              layer("Dense", "out", units=2)], batch=BATCH),
    "convolutional": Network((5, 6, 2), [layer("ConvLSTM1D", "conv", filters=3, kernel_size=2, padding="same", stateful=True),
                                         layer("Flatten", "flatten"), layer("Dense", "out", units=2)], batch=BATCH),
}
MLP = Network((6,), [layer("Dense", "hidden", units=8, activation="tanh"), layer("Dense", "out", units=2)])


class ResetStates(keras.callbacks.Callback):
    def reset(self):
        for layer in self.model.layers:
            for inner in (layer, getattr(layer, "forward_layer", None), getattr(layer, "backward_layer", None)):
                for state in keras.tree.flatten(getattr(inner, "states", None) or []):
                    state.assign(np.zeros(state.shape))

    def on_epoch_begin(self, epoch, logs=None):
        self.reset()

    def on_test_begin(self, logs=None):
        self.reset()


class Fit(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="dltool-oracle-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def dltool(self, *arguments):
        done = keras_runs.subprocess.run([keras_runs.DLTOOL, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr

    def compare(self, network, optimizer, training=None, callbacks=(), epochs=3, resumed=False):
        random = np.random.default_rng(3)
        keras.utils.set_random_seed(3)
        keras.utils.clear_session()  # names begin anew
        model = network.keras_model()
        keras_runs.scramble(model, random)
        x, y = keras_runs.make_data(network, model.output_shape[1:], 20, random)
        vx, vy = keras_runs.make_data(network, model.output_shape[1:], 8, random)
        np.savez(self.folder / "initial.npz", **keras_runs.get_weights(model))
        np.savez(self.folder / "train.npz", x=x, y=y)
        np.savez(self.folder / "validation.npz", x=vx, y=vy)
        source = lambda name: {"format": "npz", "path": name + ".npz", "y": "y"}
        spec = {"model": network.dltool_model(), "data": {"train": source("train"), "validation": source("validation"), "shuffle": False},
                "training": {"loss": "mse", "optimizer": {optimizer[0]: optimizer[1]}, "batch_size": BATCH, "epochs": epochs,
                             "initial_weights": "initial.npz", **(training or {})}, "output": "run"}
        (self.folder / "run.yaml").write_text(json.dumps(spec))
        if resumed:
            self.dltool("train", "run.yaml", "-q", "training.epochs=1")
            shutil.copytree(self.folder / "run", self.folder / "first")
            self.dltool("train", "run.yaml", "-q", "--resume", "auto")
        else:
            self.dltool("train", "run.yaml", "-q")
        lines = [json.loads(line) for line in (self.folder / "run/metrics.jsonl").read_text().splitlines()]
        model.compile(optimizer=keras_runs.make_optimizer(*optimizer), loss="mse")
        history = model.fit(x, y, batch_size=BATCH, epochs=epochs, shuffle=False, validation_data=(vx, vy), validation_batch_size=BATCH, verbose=0,
                            callbacks=list(callbacks)).history
        self.assertEqual([line["type"] for line in lines], ["epoch"] * epochs)
        for log in ("loss", "val_loss"):
            np.testing.assert_allclose([line[log] for line in lines], history[log], rtol=2e-6, err_msg=log)
        checkpoint = self.folder / "run/checkpoints" / sorted(os.listdir(self.folder / "run/checkpoints"))[-1]
        saved = keras_runs.read_tree(checkpoint, "parameters")
        for name, value in keras_runs.get_weights(model).items():
            np.testing.assert_allclose(saved[name], value, atol=1e-5, err_msg=name)
        return model, lines, saved, checkpoint, x

    def test_stateful(self):
        for name, network in NETWORKS.items():
            for reset in (False, True):
                with self.subTest(name, reset=reset):
                    model, _, saved, checkpoint, x = self.compare(network, ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
                                                                  {"reset_states": True} if reset else {}, [ResetStates()] if reset else [])
                    layers = [inner for l in model.layers for inner in ((l.forward_layer, l.backward_layer) if hasattr(l, "forward_layer") else (l,))]
                    states = [np.array(s) for l in layers for s in keras.tree.flatten(getattr(l, "states", None) or [])]
                    self.assertEqual(len(states), sum("rnn_state" in key for key in saved))
                    # A loaded model starts with zeros, and carries its states through the data.
                    ResetStates.reset(type("of", (), {"model": model})())
                    np.save(self.folder / "x.npy", x)
                    self.dltool("predict", checkpoint, "x.npy", "-o", "y.npy", "-q")
                    expected = model.predict(x, batch_size=BATCH, verbose=0)
                    np.testing.assert_allclose(np.load(self.folder / "y.npy"), expected, atol=1e-5)
                    self.dltool("convert", checkpoint, "model.keras", "-q", "--force")
                    again = keras.models.load_model(self.folder / "model.keras")
                    np.testing.assert_allclose(again.predict(x, batch_size=BATCH, verbose=0), expected, atol=1e-5)
                    shutil.rmtree(self.folder / "run")

    def test_learning_rate_scheduler(self):
        schedule = lambda epoch, lr: lr if epoch < 2 else float(lr * math.exp(-0.3))
        for resumed in (False, True):
            with self.subTest(resumed=resumed):
                _, lines, *_ = self.compare(MLP, ("Adam", {"learning_rate": 0.01}),
                                            {"callbacks": [{"LearningRateScheduler": {"schedule": "where(epoch < 2, lr, lr * exp(-0.3))"}}]},
                                            [keras.callbacks.LearningRateScheduler(schedule)], epochs=5, resumed=resumed)
                self.assertAlmostEqual(lines[-1]["learning_rate"], 0.01 * math.exp(-0.9), 8)
                shutil.rmtree(self.folder / "run")

    def test_frozen_and_replaced_layers(self):
        """Weights of another run, but for a layer of another size and one more; what is frozen stays bit for bit."""
        network = Network((6,), [layer("Dense", "hidden1", units=8, activation="tanh"), layer("Dense", "hidden2", units=8), layer("Dense", "out", units=2)])
        _, _, old, checkpoint, _ = self.compare(network, ("Adam", {"learning_rate": 0.01}))
        spec = json.loads((self.folder / "run.yaml").read_text())
        spec["model"] = Network((6,), [layer("Dense", "hidden1", units=8, activation="tanh"), layer("Dense", "hidden2", units=8), layer("Dense", "more", units=8),
                                       layer("Dense", "out", units=2, use_bias=False)]).dltool_model()
        spec["model"]["layers"][1]["Dense"]["units"] = 5
        spec["training"].update(initial_weights=str(checkpoint), freeze=["hidden1", "nothing?*|more"])
        self.assertIn("fits no layer", self.refused(spec))
        spec["training"]["freeze"] = ["hidden[1]", "mo*"]
        self.assertIn("hidden2/kernel' has shape [8, 8], the model's weight of that name [8, 5]", self.refused(spec))
        spec["training"]["skip_mismatch"] = True
        (self.folder / "run.yaml").write_text(json.dumps(spec))
        note = self.dltool("train", "run.yaml", "-o", "tuned")
        self.assertRegex(note, r"3 weights taken; initialised anew: hidden2/kernel \(\[8, 8\] in the file, \[8, 5\] in the model\), "
                               r"hidden2/bias \(\[8\] .*, more/kernel \(not in the file\), more/bias")
        new = keras_runs.read_tree(self.folder / "tuned/checkpoints" / sorted(os.listdir(self.folder / "tuned/checkpoints"))[-1], "parameters")
        for name in ("hidden1/kernel", "hidden1/bias"):
            np.testing.assert_array_equal(new[name], old[name])
        self.assertFalse(np.array_equal(new["out/kernel"], old["out/kernel"]))
        self.assertFalse([name for name in new if name.startswith(("hidden1/", "more/")) and name.count("/") > 1], "slots of frozen weights")

    def refused(self, spec):
        (self.folder / "run.yaml").write_text(json.dumps(spec))
        done = keras_runs.subprocess.run([keras_runs.DLTOOL, "train", "run.yaml", "-q", "-o", "refused"], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr

    def test_gradient_penalty(self):
        """PyTorch's second derivatives judge a loss with the gradient of the output in it."""
        torch, random, steps = keras_runs.torch, np.random.default_rng(4), 6
        shapes = {"hidden/kernel": (3, 5), "hidden/bias": (5,), "out/kernel": (5, 1), "out/bias": (1,)}
        start = {name: random.normal(0, 0.7, shape).astype(np.float32) for name, shape in shapes.items()}
        x, y = random.normal(0, 1, (8 * steps, 3)).astype(np.float32), random.normal(0, 1, (8 * steps, 1)).astype(np.float32)
        np.savez(self.folder / "initial.npz", **start)
        np.savez(self.folder / "train.npz", x=x, y=y)
        network = Network((3,), [layer("Dense", "hidden", units=5, activation="tanh"), layer("Dense", "out", units=1)])
        spec = {"model": network.dltool_model(), "data": {"train": {"format": "npz", "path": "train.npz", "y": "y"}, "shuffle": False}, "output": "run",
                "training": {"loss": {"expression": "square(y_true - y_pred) + 3 * mean(square(norm(grad(y_pred, x), axis=1) - 1))"}, "batch_size": 8,
                             "optimizer": {"SGD": {"learning_rate": 0.05}}, "initial_weights": "initial.npz", "log_steps": True}}
        (self.folder / "run.yaml").write_text(json.dumps(spec))
        self.dltool("train", "run.yaml", "-q")
        lines = [json.loads(line) for line in (self.folder / "run/metrics.jsonl").read_text().splitlines()]
        weights = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
        losses = []
        for i in range(steps):
            a, b = torch.tensor(x[8 * i:8 * i + 8], requires_grad=True), torch.tensor(y[8 * i:8 * i + 8])
            out = torch.tanh(a @ weights["hidden/kernel"] + weights["hidden/bias"]) @ weights["out/kernel"] + weights["out/bias"]
            slope, = torch.autograd.grad(out.sum(), a, create_graph=True)
            loss = ((b - out) ** 2).mean() + 3 * ((slope.norm(dim=1) - 1) ** 2).mean()
            losses.append(loss.item())
            for weight, gradient in zip(weights.values(), torch.autograd.grad(loss, list(weights.values()), allow_unused=True)):
                with torch.no_grad():
                    weight -= 0.05 * gradient
        np.testing.assert_allclose([line["loss"] for line in lines if line["type"] == "step"], losses, rtol=1e-5)
        saved = keras_runs.read_tree(self.folder / "run/checkpoints" / os.listdir(self.folder / "run/checkpoints")[0], "parameters")
        for name, weight in weights.items():
            np.testing.assert_allclose(saved[name], weight.detach().numpy(), atol=1e-6, err_msg=name)

    def test_swap_ema_weights(self):
        for on_epoch in (False, True):
            for resumed in (False, True):
                with self.subTest(on_epoch=on_epoch, resumed=resumed):
                    # Keras's fit goes through all epochs at once; a resumed run ends as one that was never stopped in the middle of them.
                    self.compare(MLP, ("SGD", {"learning_rate": 0.2, "momentum": 0.9, "use_ema": True, "ema_momentum": 0.8}),
                                 {"callbacks": [{"SwapEMAWeights": {"swap_on_epoch": on_epoch}}]},
                                 [keras.callbacks.SwapEMAWeights(swap_on_epoch=on_epoch)], epochs=3) if not resumed else self.interrupted(on_epoch)
                    shutil.rmtree(self.folder / "run", ignore_errors=True)

    def interrupted(self, on_epoch):
        """The checkpoint of an epoch in the middle gives the bits of the undisturbed run."""
        self.compare(MLP, ("SGD", {"learning_rate": 0.2, "use_ema": True, "ema_momentum": 0.8}),
                     {"callbacks": [{"SwapEMAWeights": {"swap_on_epoch": on_epoch}}], "checkpoints": {"keep": 9}},
                     [keras.callbacks.SwapEMAWeights(swap_on_epoch=on_epoch)], epochs=4)
        files = sorted(os.listdir(self.folder / "run/checkpoints"))
        self.dltool("train", "run.yaml", "-q", "--resume", f"run/checkpoints/{files[1]}", "-o", "again")
        for file in files[2:]:
            first, second = (keras_runs.read_tree(self.folder / run / "checkpoints" / file, "parameters") for run in ("run", "again"))
            for name, value in first.items():
                np.testing.assert_array_equal(second[name], value, name)
        shutil.rmtree(self.folder / "again")


if __name__ == "__main__":
    unittest.main(verbosity=2, warnings="ignore")  # Keras warns of NumPy 2
