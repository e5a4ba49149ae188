"""dltool train: configuration, validation, results. Interruptions and resumes are in tests/integration."""

import json

from cli import ROOT, CliTest, main

RUN = f"""model:
  inputs:
    image: {{shape: [64]}}
  layers:
    - Dense: {{units: 16, activation: relu}}
    - Dense: {{units: 10, activation: softmax}}
data:
  train: {{format: csv, path: "{ROOT}/configs/data/digits.csv.gz", columns: {{y: label}}, classes: 10, rescale: 1/16}}
  test: {{split: 0.2}}
training:
  loss: sparse_categorical_crossentropy
  optimizer: {{Adam: {{learning_rate: 0.01}}}}
  metrics: [accuracy]
  batch_size: 64
  epochs: 3
output: out
"""


class Train(CliTest):
    def setUp(self):
        super().setUp()
        self.write("run.yaml", RUN)

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def test_trains_and_writes_the_run_folder(self):
        result = self.run_dltool("train", "run.yaml", "--json", "--threads", "1").succeeds().json()
        self.assertEqual(result["status"], "finished")
        self.assertEqual(result["epochs"], 3)
        self.assertGreater(result["metrics"]["test_accuracy"], 0.8)
        for name in ("config.yaml", "metrics.jsonl", "metrics.csv", "report.html"):
            self.assertTrue((self.folder / "out" / name).stat().st_size > 0, name)
        self.assertTrue((self.folder / result["checkpoint"]).exists())
        epochs = [json.loads(line) for line in (self.folder / "out/metrics.jsonl").read_text().splitlines()]
        self.assertEqual([e["epoch"] for e in epochs], [0, 1, 2])
        self.assertLess(epochs[-1]["loss"], epochs[0]["loss"])
        self.assertEqual((self.folder / "out/metrics.csv").read_text().splitlines()[0].split(",")[:3], ["epoch", "accuracy", "loss"])

    def test_same_seed_same_numbers(self):
        run = lambda *more: self.run_dltool("train", "run.yaml", "--json", "--threads", "1", *more).succeeds().json()["metrics"]
        self.assertEqual(run("-o", "a"), run("-o", "b"))
        self.assertNotEqual(run("-o", "a"), run("-o", "c", "--seed", "5"))

    def test_print_config_parses_back_to_itself(self):
        text = self.run_dltool("train", "run.yaml", "training.epochs=7", "--print-config").succeeds().prints(r"epochs: 7").stdout
        for default in (r"use_bias: true", r"kernel_initializer: glorot_uniform", r"beta_1: 0\.9", r"on_nan: stop", r"keep: 3", r"prefetch: 4"):
            self.assertRegex(text, default)
        self.write("again.yaml", text)
        self.assertEqual(self.run_dltool("train", "again.yaml", "--print-config").succeeds().stdout, text)
        self.assertFalse((self.folder / "out").exists())

    def test_every_run_file_that_ships_is_valid(self):
        for path in sorted((ROOT / "configs").glob("*.yaml")):
            with self.subTest(path.name):
                self.run_dltool("train", path, "--print-config", env={"DLTOOL_DATA": "/data"}).succeeds()

    def test_explain_every_stage(self):
        self.run_dltool("train", "run.yaml", "--explain", "graph").succeeds().prints(r"matmul.*# dense").prints(r"update dense/kernel/m = ")
        self.run_dltool("train", "run.yaml", "--explain", "passes").succeeds().prints(r"== after fuse").prints(r"matmul_bias")
        self.run_dltool("train", "run.yaml", "--explain", "plan").succeeds().prints(r"adam_update .*dense/kernel")
        self.run_dltool("train", "run.yaml", "--explain", "memory").succeeds().prints(r"arena .*MiB")

    def test_all_problems_at_once_with_places(self):
        self.write("bad.yaml", RUN.replace("units: 16", "unitz: 16").replace("batch_size: 64", "batch_size: 0").replace("[accuracy]", "[acuracy]"))
        result = self.run_dltool("train", "bad.yaml").fails(2, r"bad\.yaml:5:\d+: .*unitz.*did you mean 'units'", lines=None)
        result.complains(r"bad\.yaml:\d+:\d+: training\.batch_size: ").complains(r"acuracy.*did you mean 'accuracy'")

    def test_shapes_that_do_not_fit_name_the_layer(self):
        self.write("bad.yaml", RUN.replace("- Dense: {units: 16, activation: relu}", "- Conv2D: {filters: 4, kernel_size: 3}"))
        self.run_dltool("train", "bad.yaml").fails(2, r"bad\.yaml:5:\d+: layer 'conv2d': ")
        self.write("bad.yaml", RUN.replace("shape: [64]", "shape: [63]"))
        self.run_dltool("train", "bad.yaml").fails(2, r"input 'image' of the model takes \[batch, 63\].*64")

    def test_missing_data_is_an_environment_error(self):
        self.write("bad.yaml", RUN.replace("digits.csv.gz", "nowhere.csv"))
        self.run_dltool("train", "bad.yaml").fails(4, r"nowhere\.csv")

    def test_freeze_and_skip_mismatch_say_what_is_wrong(self):
        for key, error in (("training.freeze=dens", r"training\.freeze: 'dens' fits no layer \(did you mean 'dense'\?\)"),
                           ("training.freeze=3", r"training\.freeze: must be a name or pattern of layers"),
                           ("training.freeze='*'", r"the model has no trainable weights"),
                           ("training.skip_mismatch=true", r"training\.skip_mismatch: goes with initial_weights")):
            self.run_dltool("train", "run.yaml", key).fails(2, error)

    def test_stateful_layers_want_whole_batches(self):
        text = RUN.replace("image: {shape: [64]}", "image: {batch_shape: [16, 64]}").replace(
            "    - Dense: {units: 16, activation: relu}", "    - Reshape: {target_shape: [8, 8]}\n    - LSTM: {units: 4, stateful: true}")
        self.write("run.yaml", text)
        self.run_dltool("train", "run.yaml").fails(2, r"training\.batch_size: is 64, but the model's stateful layers are made for batches of 16")
        self.run_dltool("train", "run.yaml", "training.batch_size=16").fails(2, r"data\.train: has 1438 samples, .* whole batches of 16: leave 14 out")
        self.run_dltool("train", "run.yaml", "training.batch_size=16", "training.microbatches=2").fails(2, r"stateful layer.* without training\.microbatches")
        self.write("run.yaml", text.replace("batch_shape: [16, 64]", "shape: [64]"))
        self.run_dltool("train", "run.yaml").fails(2, r"layer 'lstm': stateful .* give the input a batch_shape")

    def test_states_go_on_where_a_run_was_interrupted(self):
        """What a stateful layer remembers is in the checkpoint: the losses are those of a run that was never interrupted."""
        self.write("run.yaml", """model:
  inputs: {x: {batch_shape: [16, 6]}}
  layers:
    - Reshape: {target_shape: [3, 2]}
    - LSTM: {units: 4, stateful: true}
    - Dense: {units: 2, activation: softmax}
data:
  train: {format: synthetic, samples: 64, shape: [6], classes: 2}
  shuffle: false
training: {loss: sparse_categorical_crossentropy, optimizer: adam, batch_size: 16, epochs: 4}
output: out
""")
        losses = lambda run: [json.loads(line)["loss"] for line in (self.folder / run / "metrics.jsonl").read_text().splitlines()]
        self.run_dltool("train", "run.yaml", "-q", "-o", "whole").succeeds()
        self.run_dltool("train", "run.yaml", "-q", "training.epochs=2").succeeds()
        self.run_dltool("train", "run.yaml", "-q", "--resume", "auto").succeeds()
        self.assertEqual(losses("out"), losses("whole"))
        # Without its states an epoch has other losses.
        self.run_dltool("train", "run.yaml", "-q", "-o", "reset", "training.reset_states=true").succeeds()
        self.assertNotEqual(losses("reset")[1:], losses("whole")[1:])

    def test_averages_give_way_to_the_weights_when_their_callback_is_gone(self):
        """A checkpoint of swap_on_epoch holds the averages as the weights; a resume without the callback trains the weights on."""
        self.write("run.yaml", """model: {inputs: {x: [6]}, layers: [Dense: {units: 2, activation: softmax}]}
data: {train: {format: synthetic, samples: 64, shape: [6], classes: 2}}
training: {loss: sparse_categorical_crossentropy, optimizer: {SGD: {use_ema: true}}, batch_size: 16, epochs: 4}
output: out
""")
        swap = "training.callbacks=[{SwapEMAWeights: {swap_on_epoch: true}}]"
        losses = lambda run: [json.loads(line)["loss"] for line in (self.folder / run / "metrics.jsonl").read_text().splitlines()]
        self.run_dltool("train", "run.yaml", "-q", "-o", "whole").succeeds()
        # The last epoch ends with the averages as the weights for good; one that was cut short does not.
        self.run_dltool("train", "run.yaml", "-q", "-o", "cut", "training.checkpoints.keep=9", swap).succeeds()
        for checkpoint in sorted((self.folder / "cut/checkpoints").glob("step-*"))[2:]:
            checkpoint.unlink()
        self.run_dltool("train", "run.yaml", "-o", "cut", "--resume", "auto").succeeds().complains("the callbacks are others than before")
        self.assertEqual(losses("cut"), losses("whole"))

    def test_learning_rate_scheduler_takes_an_expression(self):
        run = lambda schedule, *more: self.run_dltool("train", "run.yaml", "-q", f"training.callbacks=[{{LearningRateScheduler: {{schedule: '{schedule}'}}}}]", *more)
        run("where(epoch < 1, lr, lr / 2)").succeeds()
        lines = [json.loads(line) for line in (self.folder / "out/metrics.jsonl").read_text().splitlines()]
        self.assertEqual([round(line["learning_rate"], 6) for line in lines], [0.01, 0.005, 0.0025])
        run("lr * epochs").fails(2, r"LearningRateScheduler\.schedule: .*unknown name 'epochs' \(did you mean 'epoch'\?\)")
        run("1 / (epoch - 1)").fails(2, r"the schedule gives -1 in epoch 1, must give a number >= 0")
        run("lr", "training.optimizer={Adam: {learning_rate: {CosineDecay: {initial_learning_rate: 0.1, decay_steps: 9}}}}").fails(
            2, r"cannot set a learning rate that follows a schedule")
        self.run_dltool("train", "run.yaml", "training.callbacks=[SwapEMAWeights]").fails(2, r"SwapEMAWeights\.?: needs moving averages .* use_ema: true")

    def test_a_formula_in_the_place_of_a_name_is_told_how_to_be_written(self):
        self.run_dltool("train", "run.yaml", "training.loss=mean(square(y_true - y_pred))").fails(2, r"unknown loss .*; a formula is written as \{expression: ")
        self.run_dltool("train", "run.yaml", "training.metrics=[mean(y_true)]").fails(2, r"unknown metric .*; a formula is written as \{expression: ")

    def test_multi_optimizer_names_what_is_wrong(self):
        run = lambda map, *more: self.run_dltool("train", "run.yaml", "-q", f"training.optimizer={{MultiOptimizer: {{optimizer_map: {map}}}}}", *more)
        good = "{OptimizerMap: {default_optimizer: adam, optimizer_map: {'.*/kernel': sgd}}}"
        run(good).succeeds()
        run(good, "training.callbacks=[{ReduceLROnPlateau: {monitor: loss}}]").fails(2, r"cannot change a learning rate that is one of several")
        run("{'.*': sgd}").fails(2, r"optimizer_map: must be \{OptimizerMap: \{default_optimizer")
        run("{OptimizerMap: {optimizer_map: {'a(': sgd, b: adm}}}").fails(
            2, r"default_optimizer: required key is missing.*\n.*'a\(' is no regular expression\n.*unknown optimizer 'adm' \(did you mean 'Adam'", lines=3)
        run("{OptimizerMap: {default_optimizer: adam, optimizer_map: {'.*': sgd, '.*/bias': adam}}}").fails(2, r"'\.\*' and '\.\*/bias' both match the weight \S+/bias")

    def test_divergence_stops_with_5(self):
        self.run_dltool("train", "run.yaml", "training.optimizer.Adam.learning_rate=1e38", "-q").fails(5, r"epoch 1, step \d+: .*(nan|inf|finite)")


if __name__ == "__main__":
    main()
