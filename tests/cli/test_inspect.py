"""dltool inspect: the layer table, parameters, FLOPs, memory, checkpoints, --explain."""

import json
import trained
from cli import ROOT, CliTest, main

LENET = ROOT / "models/lenet.yaml"

TWO_INPUTS = """
inputs:
  left: {shape: [4]}
  right: {shape: [6]}
layers:
  - Dense: {units: 5, name: a, inputs: left}
  - Dense: {units: 5, name: b, inputs: right, trainable: false}
  - Add: {name: sum, inputs: [a, b]}
  - Dense: {units: 2, name: head}
"""


class Table(CliTest):
    def test_sequential(self):
        text = self.run_dltool("inspect", ROOT / "models/digits-cnn.yaml").succeeds().stdout
        self.assertRegex(text, r"(?m)^Layer \(type\) +Output Shape +Param # +FLOPs$")
        self.assertNotIn("Connected to", text)
        self.assertRegex(text, r"(?m)^conv2d \(Conv2D\) +\(batch, 8, 8, 16\) +144 ")
        self.assertRegex(text, r"(?m)^batch_normalization \(BatchNormalization\) +\(batch, 8, 8, 16\) +64 ")
        total = 144 + 64 + 9 * 16 * 32 + 128 + 512 * 64 + 64 + 64 * 10 + 10
        self.assertRegex(text, rf"(?m)^Total params: {total:,} \(")
        self.assertRegex(text, rf"(?m)^Trainable params: {total - 32 - 64:,}$")
        self.assertRegex(text, r"(?m)^Non-trainable params: 96$")

    def test_functional(self):
        self.write("two.yaml", TWO_INPUTS)
        result = self.run_dltool("inspect", "two.yaml").succeeds()
        result.prints(r"^Layer \(type\) .* Connected to$").prints(r"^sum \(Add\) +\(batch, 5\) +0 .* a, b$")
        result.prints(r"^Trainable params: 37$").prints(r"^Non-trainable params: 35$")

    def test_json(self):
        self.write("two.yaml", TWO_INPUTS)
        value = self.run_dltool("inspect", "two.yaml", "--json").succeeds().json()
        self.assertEqual((value["schema_version"], value["file"], value["kind"]), (1, "two.yaml", "model file"))
        self.assertEqual([layer["name"] for layer in value["layers"]], ["left", "right", "a", "b", "sum", "head"])
        self.assertEqual(value["layers"][2]["output_shapes"], [[None, 5]])
        self.assertEqual(value["layers"][4]["inputs"], ["a", "b"])
        self.assertEqual(value["parameters"], {"total": 72, "trainable": 37, "non_trainable": 35, "bytes": 288})
        self.assertEqual([row["batch"] for row in value["memory"]], [1, 32, 128])

    def test_flops_of_a_dense_layer(self):
        self.write("m.yaml", "inputs: {x: {shape: [100]}}\nlayers: [{Dense: {units: 10}}]")
        value = self.run_dltool("inspect", "m.yaml", "--json").succeeds().json()
        self.assertEqual(value["flops_per_sample"], 2 * 100 * 10 + 10)

    def test_memory_grows_with_the_batch(self):
        memory = self.run_dltool("inspect", LENET, "--json").succeeds().json()["memory"]
        for small, large in zip(memory, memory[1:]):
            self.assertLess(small["inference_bytes"], large["inference_bytes"])
            self.assertLess(small["training_bytes"], large["training_bytes"])
        for row in memory:
            self.assertLess(row["inference_bytes"], row["training_bytes"])

    def test_training_memory_holds_weights_and_slots(self):
        self.write("m.yaml", "inputs: {x: {shape: [1000]}}\nlayers: [{Dense: {units: 1000}}]")
        row = self.run_dltool("inspect", "m.yaml", "--json").succeeds().json()["memory"][0]
        weights = 4 * 1001 * 1000
        self.assertGreaterEqual(row["inference_bytes"], weights)
        self.assertLess(row["inference_bytes"], 2.2 * weights)  # and at most one packed copy
        self.assertGreaterEqual(row["training_bytes"], 3 * weights)  # Adam's two slots

    def test_unknown_sizes_are_named(self):
        self.write("m.yaml", "inputs: {x: {shape: [null, 3]}}\nlayers: [{LSTM: {units: 4}}]")
        self.run_dltool("inspect", "m.yaml").succeeds().prints(r"^Size .* is taken as 32$")

    def test_names_cannot_steer_the_terminal(self):
        self.write("m.yaml", 'inputs: {x: {shape: [1]}}\nlayers: [{Dense: {units: 1, name: "a\\u009b31m"}}]')
        result = self.run_dltool("inspect", "m.yaml")
        self.assertNotIn("\x9b", result.stdout + result.stderr)


class Files(CliTest):
    def test_run_file(self):
        value = self.run_dltool("inspect", trained.digits() / "run.yaml", "--json").succeeds().json()
        self.assertEqual((value["kind"], value["training"]), ("run file", "sparse_categorical_crossentropy, Adam"))
        self.assertNotIn("checkpoint", value)

    def test_checkpoint(self):
        path = trained.newest_checkpoint(trained.digits())
        value = self.run_dltool("inspect", path, "--json").succeeds().json()
        self.assertEqual(value["kind"], "checkpoint")
        state = value["checkpoint"]
        self.assertEqual((state["step"], state["epoch"]), (3 * 45, 3))  # 1438 samples in batches of 32
        self.assertIn("accuracy", state["metrics"])
        names = [t["name"] for t in state["tensors"]]
        for name in ["hidden/kernel", "hidden/bias", "digit/kernel", "step"]:
            self.assertIn(name, names)
        self.run_dltool("inspect", path).succeeds().prints(r"^Trained for 135 steps, 3 epochs$").prints("^  accuracy 0")

    def test_run_folder(self):
        value = self.run_dltool("inspect", trained.digits() / "run", "--json").succeeds().json()
        self.assertEqual(value["kind"], "checkpoint")

    def test_errors(self):
        self.run_dltool("inspect", "nowhere.yaml").fails(2, r"nowhere\.yaml: does not exist")
        self.write("empty.keras", "")
        self.run_dltool("inspect", "empty.keras").fails(3, r"empty\.keras: is no zip file")
        self.write("bad.yaml", "inputs: {x: {shape: [4]}}\nlayers:\n  - Dnese: {units: 3}\n")
        self.run_dltool("inspect", "bad.yaml").fails(2, r"bad\.yaml:3:\d+: .*Dense")
        self.run_dltool("inspect", self.folder).fails(2, "a folder without checkpoints")
        self.shell(f"$DLTOOL inspect {LENET} > /dev/full").fails(4, "stdout: No space left")
        error = self.run_dltool("inspect", "nowhere.yaml", "--json").exits(2).json_error()
        self.assertIn("nowhere.yaml", error["message"])


class Explain(CliTest):
    def test_stages_of_a_model(self):
        self.run_dltool("inspect", LENET, "--explain", "graph").succeeds().prints(r"^%\d+ = conv\(.* : float32\[batch, ")
        passes = self.run_dltool("inspect", LENET, "--explain", "passes").succeeds().stdout
        self.assertGreaterEqual(passes.count("== after "), 3)
        self.assertIn("float32[1, ", passes)
        self.run_dltool("inspect", LENET, "--explain", "plan").succeeds().prints(r"^ +\d+. +\S+ +\S+ +v\d+@")
        self.run_dltool("inspect", LENET, "--explain", "memory").succeeds().prints(r"^arena +\d+\.\d+ MiB")
        self.run_dltool("inspect", LENET, "--explain", "all").fails(2, "graph, passes, plan, memory")

    def test_run_file_shows_the_training_step(self):
        run = trained.digits() / "run.yaml"
        graph = self.run_dltool("inspect", run, "--explain", "graph").succeeds().stdout
        self.assertIn("learning_rate", graph)
        self.assertIn("[32, ", self.run_dltool("inspect", run, "--explain", "plan").succeeds().stdout)
        self.assertNotIn("learning_rate", self.run_dltool("inspect", trained.digits() / "run", "--explain", "graph").succeeds().stdout)


class Support(CliTest):
    def test_every_class_of_keras(self):
        listed = json.loads(self.run_dltool("inspect", "--support", "--json").succeeds().stdout)
        rows = {(r["kind"], r["class"]): r for r in listed}
        self.assertGreater(len(rows), 300)
        self.assertEqual(rows["layer", "Conv2D"]["support"], "yes")
        self.assertEqual(rows["initializer", "VarianceScaling"]["support"], "yes")
        self.assertEqual(rows["constraint", "MaxNorm"]["support"], "yes")
        self.assertEqual(rows["activation", "gelu"]["support"], "yes")
        self.assertEqual(rows["callback", "CSVLogger"]["support"], "otherwise")
        self.assertEqual(rows["layer", "JaxLayer"]["support"], "no")
        self.assertEqual(rows["layer", "Layer"]["support"], "base class")
        lines = self.run_dltool("inspect", "--support").prints(r"^loss +Dice +yes$").succeeds().stdout.splitlines()
        self.assertEqual(len(lines), len(rows) + 2)

    def test_file_or_support(self):
        self.run_dltool("inspect", "--json").fails(2, "inspect: FILE is missing .* see dltool inspect --help")
        self.run_dltool("inspect", "--support", "a.keras").fails(2, "--support takes no FILE")


if __name__ == "__main__":
    main()
