"""dltool eval: figures on the run's own data and on other data, minimums, JSON, errors."""

import math
import shutil

import trained
from cli import ROOT, CliTest, main


class Figures(CliTest):
    def test_json_on_the_test_part(self):
        result = self.run_dltool("eval", trained.digits() / "run", "--json").succeeds().json()
        self.assertEqual(list(result), ["schema_version", "model", "data", "samples", "seconds", "metrics", "classes", "missed"])
        self.assertEqual((result["data"], result["samples"]), ("test", 359))  # a fifth of 1797
        self.assertEqual(list(result["metrics"]), ["loss", "accuracy"])
        self.assertGreater(result["metrics"]["accuracy"], 0.9)
        self.assertLess(result["metrics"]["accuracy"], 1)
        self.assertLess(result["metrics"]["loss"], 0.4)
        self.assertEqual([c["name"] for c in result["classes"]], [str(d) for d in range(10)])
        self.assertEqual(sum(c["samples"] for c in result["classes"]), 359)
        right = sum(c["recall"] * c["samples"] for c in result["classes"])
        self.assertAlmostEqual(right / 359, result["metrics"]["accuracy"], places=6)

    def test_agrees_with_training(self):
        """The figures of the last checkpoint are those that training printed for its validation data."""
        folder = trained.line()
        last = self.run_dltool("inspect", trained.newest_checkpoint(folder), "--json").succeeds().json()["checkpoint"]["metrics"]
        now = self.run_dltool("eval", trained.newest_checkpoint(folder), "--json").succeeds().json()
        self.assertEqual(now["data"], "validation")
        self.assertEqual(now["metrics"], {"loss": last["val_loss"], "mae": last["val_mae"]})

    def test_table(self):
        result = self.run_dltool("eval", trained.digits() / "run").succeeds().prints(r"^loss +0\.\d+$").prints(r"^accuracy +0\.9\d+$")
        result.complains("359 samples of test")
        self.assertNotIn("Precision", result.stdout)
        self.run_dltool("eval", trained.digits() / "run", "-v").succeeds().prints(r"^Class +Samples +Precision +Recall +F1$")

    def test_batch_size_does_not_matter(self):
        def metrics(*more):
            return self.run_dltool("eval", trained.digits() / "run", "--json", *more).succeeds().json()["metrics"]

        whole, single = metrics("--batch", 2000), metrics("--batch", 7)
        self.assertEqual(whole["accuracy"], single["accuracy"])
        self.assertTrue(math.isclose(whole["loss"], single["loss"], rel_tol=1e-5))

    def test_works_after_the_run_file_is_gone(self):
        """A checkpoint holds its model and finds its data from any folder."""
        copy = self.folder / "model.ckpt.h5"
        shutil.copy(trained.newest_checkpoint(trained.digits()), copy)
        self.assertEqual(self.run_dltool("eval", copy.name, "--json").succeeds().json()["samples"], 359)

    def test_other_run_file(self):
        spec = trained.DIGITS.replace("test: {split: 0.2}", "test: {split: 0.5}")
        path = self.write("other.yaml", spec)
        self.assertEqual(self.run_dltool("eval", trained.digits() / "run", "--data", path, "--json").succeeds().json()["samples"], 899)
        more = self.run_dltool("eval", trained.digits() / "run", "data.test.split=0.1", "--data", path, "--json").succeeds().json()
        self.assertEqual(more["samples"], 180)

    def test_data_file(self):
        self.write("few.csv", "a,b,price\n0,0,1000\n1,0,1050\n1,1,1020\n")
        result = self.run_dltool("eval", trained.line() / "run", "--data", "few.csv", "--json").succeeds().json()
        self.assertEqual(result["samples"], 3)
        self.assertLess(result["metrics"]["mae"], 0.01)

    def test_untrained_run_says_so(self):
        result = self.run_dltool("eval", trained.digits() / "run.yaml", "--json").succeeds().complains("not trained")
        self.assertLess(result.json()["metrics"]["accuracy"], 0.5)


class Limits(CliTest):
    def test_met_and_missed(self):
        model = trained.digits() / "run"
        self.run_dltool("eval", model, "--min", "accuracy=0.5", "--min", "loss=0").succeeds()
        result = self.run_dltool("eval", model, "--min", "accuracy=0.9999", "--json").exits(1)
        missed = result.json()["missed"]
        self.assertEqual([(m["metric"], m["minimum"]) for m in missed], [("accuracy", 0.9999)])
        result.complains(r"accuracy is 0\.9\d+, below the minimum 0\.9999")
        self.run_dltool("eval", model, "--max", "loss=9").succeeds()
        result = self.run_dltool("eval", model, "--max", "loss=1e-6", "--min", "accuracy=0.5", "--json").exits(1)
        self.assertEqual([(m["metric"], m["maximum"]) for m in result.json()["missed"]], [("loss", 1e-6)])
        result.complains(r"loss is \d\.\d+(e-\d+)?, above the maximum 1e-06")

    def test_unknown_metric(self):
        self.run_dltool("eval", trained.digits() / "run", "--min", "f1=0.5").fails(2, r"no 'f1'; it measures loss, accuracy")


class Errors(CliTest):
    def test_no_such_file(self):
        self.run_dltool("eval", "nowhere.ckpt.h5").fails(2, r"nowhere\.ckpt\.h5: does not exist; a model is a checkpoint")

    def test_folder_without_checkpoints(self):
        (self.folder / "empty").mkdir()
        self.run_dltool("eval", "empty").fails(2, "empty: a folder without checkpoints")

    def test_model_file(self):
        self.run_dltool("eval", ROOT / "models/digits-cnn.yaml").fails(2, "has neither data nor loss")

    def test_damaged_files_of_other_formats(self):
        self.write("a.keras", b"PK\x03\x04....")
        self.write("b.h5", b"\x89HDF\r\n\x1a\n....")
        self.write("c.onnx", b"\x08\x07....")
        for name in ["a.keras", "b.h5", "c.onnx"]:
            self.run_dltool("eval", name).fails(3, rf"^dltool: {name}: .*(damaged|cut short|no ONNX)")

    def test_damaged_checkpoint(self):
        data = bytearray(trained.newest_checkpoint(trained.digits()).read_bytes())
        data[len(data) // 2] ^= 1
        self.write("bad.ckpt.h5", bytes(data))
        self.run_dltool("eval", "bad.ckpt.h5").fails(3, r"bad\.ckpt\.h5: ")
        self.write("short.ckpt.h5", bytes(data[: len(data) // 3]))
        self.run_dltool("eval", "short.ckpt.h5").fails(3, r"short\.ckpt\.h5: ")

    def test_wrong_columns(self):
        self.write("few.csv", "a,c,price\n0,0,1000\n")
        self.run_dltool("eval", trained.line() / "run", "--data", "few.csv").fails(3, r"few\.csv: no column 'b'")

    def test_data_of_another_shape(self):
        spec = trained.DIGITS.replace("columns: {y: label}", "columns: {x: [p0, p1], y: label}").replace("shape: [64]", "shape: [2]")
        self.write("other.yaml", spec)
        self.run_dltool("eval", trained.digits() / "run", "--data", "other.yaml").fails(2, r"field 'x' is float32 \[2\] here, but float32 \[64\] in training")

    def test_full_stdout(self):
        result = self.shell(f"$DLTOOL eval -q {trained.digits()}/run --json > /dev/full")
        result.fails(4, "stdout: No space left on device")


if __name__ == "__main__":
    main()
