"""dltool convert and export: targets by suffix and by name, proofs, cron's options, errors that leave everything as it was."""

import fcntl
import hashlib
import json
import os
import re
import time

import npy
import trained
from cli import DLTOOL, ROOT, CliTest, main


class Targets(CliTest):
    def source(self):
        return trained.newest_checkpoint(trained.digits())

    def predictions(self, model):
        self.run_dltool("predict", model, "--inputs", "in.npz", "--outputs", "out.npz").succeeds()
        return (self.folder / "out.npz").read_bytes()

    def test_by_suffix(self):
        for name in ("a.keras", "a.h5", "a.onnx", "a.ckpt.h5"):
            with self.subTest(name=name):
                result = self.run_dltool("convert", self.source(), name).succeeds()
                result.prints(rf"-> {name}: .* 3 samples agree").prints(r"^  digit: largest error ")
                self.run_dltool("inspect", name).succeeds()
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["a.ckpt.h5", "a.h5", "a.keras", "a.onnx"])

    def test_round_trip_has_the_same_weights(self):
        self.run_dltool("convert", self.source(), "a.keras").succeeds()
        self.run_dltool("convert", "a.keras", "b.h5").succeeds()
        self.run_dltool("convert", "b.h5", "c.keras").succeeds()
        first, last = (self.run_dltool("convert", name, name + ".ckpt.h5", "--json").succeeds().json() for name in ("a.keras", "c.keras"))
        self.assertEqual(first["parity"]["max_error"], 0)
        self.assertEqual(last["parity"]["max_error"], 0)

    def test_several_formats_into_a_folder(self):
        lines = self.run_dltool("convert", self.source(), "--to", "onnx", "--to", "keras", "--out-dir", "out", "--json").succeeds().stdout
        results = [json.loads(line) for line in lines.splitlines()]
        self.assertEqual([r["format"] for r in results], ["onnx", "keras"])
        for r in results:
            content = (self.folder / r["target"]).read_bytes()
            self.assertEqual((r["status"], r["bytes"], r["sha256"]), ("converted", len(content), hashlib.sha256(content).hexdigest()))
            self.assertLess(r["parity"]["max_error"], 1e-5)

    def test_the_same_bytes_every_time(self):
        for name in ("keras", "h5", "onnx"):
            for n in (1, 2):
                self.run_dltool("convert", self.source(), f"{n}.{name}").succeeds()
            self.assertEqual((self.folder / f"1.{name}").read_bytes(), (self.folder / f"2.{name}").read_bytes(), name)

    def test_export_of_a_run_goes_into_its_folder(self):
        os.symlink(trained.digits() / "run", self.folder / "run")
        try:
            self.run_dltool("export", "run", "--to", "onnx").succeeds()
            self.assertTrue((self.folder / "run/export/run.onnx").exists())
        finally:
            for path in (self.folder / "run/export").iterdir():
                path.unlink()
            (self.folder / "run/export").rmdir()

    def test_untrained_models_say_so(self):
        self.write("m.yaml", "inputs: {x: {shape: [3]}}\nlayers: [{Dense: {units: 2}}]")
        self.run_dltool("convert", "m.yaml", "m.onnx").succeeds().complains("m.yaml: is not trained; its initial weights are written")

    def test_stateful_layers_go_to_keras_only(self):
        (self.folder / "m.yaml").write_text("inputs: {x: {batch_shape: [2, 5, 3]}}\nlayers:\n  - LSTM: {units: 4, stateful: true}\n")
        self.run_dltool("convert", "m.yaml", "m.keras").succeeds()
        for name in ("m.onnx", "tfjs"):
            self.run_dltool("convert", "m.yaml", name, *(["--to", "tfjs"] if name == "tfjs" else [])).exits(3).complains(
                r"stateful layers.* set stateful: false")

    def test_graph_through_a_checkpoint(self):
        self.run_dltool("convert", self.source(), "a.onnx").succeeds()
        self.run_dltool("convert", "a.onnx", "b.onnx").succeeds()
        self.run_dltool("convert", "a.onnx", "c.ckpt.h5").succeeds()
        self.run_dltool("convert", "c.ckpt.h5", "d.onnx").succeeds()
        self.assertEqual((self.folder / "b.onnx").read_bytes(), (self.folder / "d.onnx").read_bytes())

    def test_training_goes_on_from_onnx(self):
        self.run_dltool("convert", self.source(), "a.onnx").succeeds()
        run = (trained.digits() / "run.yaml").read_text()
        model = re.search(r"^model:(.*\n(?:[ -].*\n)*)", run, re.M)
        self.write("run.yaml", run.replace(model[0], "model: a.onnx\n"))
        self.run_dltool("train", "run.yaml", "output=tuned").succeeds()
        before = self.run_dltool("eval", trained.digits() / "run", "--json").succeeds().json()
        after = self.run_dltool("eval", "tuned", "--json").succeeds().json()
        self.assertLess(after["metrics"]["loss"], before["metrics"]["loss"])
        self.run_dltool("train", "run.yaml", "output=tuned", "--resume", "auto", "training.epochs=4").succeeds()

    def test_fold_and_strip_preprocessing(self):
        """The exported model takes the columns as they are and gives prices; without its new first layer it is the old one again."""
        self.run_dltool("export", trained.line() / "run", "a.onnx", "--fold-preprocessing").succeeds()
        points = [(1.0, 2.0), (-0.5, 0.25)]
        self.write("in.npz", npy.dumps_npz(point=("<f4", (2, 2), [v for p in points for v in p])))
        self.run_dltool("predict", "a.onnx", "--inputs", "in.npz", "--outputs", "out.npz").succeeds()
        (_, _, prices), = npy.load_npz(self.folder / "out.npz").values()
        for (a, b), price in zip(points, prices, strict=True):
            self.assertAlmostEqual(price, 50 * a - 30 * b + 1000, delta=1)
        self.run_dltool("export", trained.line() / "run", "b.ckpt.h5", "--fold-preprocessing").succeeds()
        self.run_dltool("convert", "b.ckpt.h5", "c.ckpt.h5", "--strip-preprocessing").succeeds()
        classes = [layer["class"] for layer in self.run_dltool("inspect", "c.ckpt.h5", "--json").json()["layers"]]
        self.assertEqual(classes, ["Input", "Dense", "Rescaling"])
        self.run_dltool("convert", "c.ckpt.h5", "d.ckpt.h5", "--strip-preprocessing").fails(2, "no Rescaling or Normalization at its inputs")
        self.run_dltool("convert", "a.onnx", "d.ckpt.h5", "--fold-preprocessing").fails(2, "needs a checkpoint or the folder of a run")

    def test_sizes(self):
        self.write("m.yaml", "inputs: {x: {shape: [null, 3]}}\nlayers: [{LSTM: {units: 2}}]")
        self.run_dltool("convert", "m.yaml", "m.onnx", "--input-shape", "x:1x5x3").succeeds()
        self.assertEqual(self.run_dltool("inspect", "m.onnx", "--json").json()["layers"][0]["output_shapes"], [[1, 5, 3]])
        self.run_dltool("convert", "m.yaml", "n.onnx", "--dynamic", "batch,steps").succeeds()
        self.run_dltool("convert", "m.yaml", "o.onnx", "--input-shape", "x:1x5").fails(2, r"--input-shape x:1x5: has 2 sizes, input 'x' has 3", lines=None)
        self.run_dltool("convert", "m.yaml", "o.onnx", "--input-shape", "y:1x5x3").fails(2, r"no input 'y'; its inputs are x", lines=None)

    def test_selftest(self):
        self.run_dltool("convert", self.source(), "a.onnx").succeeds()
        self.run_dltool("inspect", "a.onnx", "--selftest").succeeds().prints(r"digit: 0 of 30 elements differ")
        self.run_dltool("inspect", self.source(), "--selftest").fails(2, "holds no test samples")

    def test_for(self):
        self.write("m.yaml", 'inputs: {x: {shape: [3]}}\nlayers: [{Lambda: {expression: "x * 2"}}]')
        self.run_dltool("inspect", "m.yaml", "--for", "onnx").succeeds().prints("can be written as onnx")
        self.write("n.yaml", 'inputs: {x: {shape: [3]}}\nlayers: [{Lambda: {expression: "erf(x)"}}]')
        self.run_dltool("inspect", "n.yaml", "--for", "tfjs").exits(1).prints(r"layer 'lambda' \(Lambda\)")
        self.run_dltool("convert", "n.yaml", "n.tfjs").fails(3, r"cannot be written as tfjs:", lines=None)
        self.assertFalse((self.folder / "n.tfjs").exists())

    def test_for_layers_of_a_graph(self):
        """Formats of layers take a graph whose operators are those of layers, and say of every other operator that they are not."""
        self.run_dltool("convert", self.source(), "a.onnx").succeeds()
        self.run_dltool("inspect", "a.onnx", "--for", "keras").succeeds().prints("can be written as keras")
        self.run_dltool("convert", "a.onnx", "a.keras").succeeds()
        classes = [layer["class"] for layer in self.run_dltool("inspect", "a.keras", "--json").json()["layers"]]
        self.assertEqual(classes, ["Input", "Dense", "Dense"])
        self.write("m.yaml", "inputs: {x: {shape: [5], dtype: int32}}\nlayers: [{Embedding: {input_dim: 9, output_dim: 4, mask_zero: true}}, "
                   "{LSTM: {units: 3}}]")
        self.run_dltool("convert", "m.yaml", "m.onnx").succeeds()
        self.run_dltool("inspect", "m.onnx", "--for", "keras").exits(1).prints(r"no layer gives lstm\(").prints(
            r"no layer gives scatter_elements\(")
        self.run_dltool("convert", "m.onnx", "m.keras").fails(3, r"cannot be written as keras:", lines=None)
        self.assertFalse((self.folder / "m.keras").exists())


class Cron(CliTest):
    def setUp(self):
        super().setUp()
        self.run_dltool("convert", trained.newest_checkpoint(trained.digits()), "a.keras").succeeds()

    def test_existing_results(self):
        self.write("a.onnx", "old")
        self.run_dltool("convert", "a.keras", "a.onnx").fails(2, r"a\.onnx: exists already; --force replaces it")
        self.assertEqual((self.folder / "a.onnx").read_text(), "old")
        self.run_dltool("convert", "a.keras", "a.onnx", "--force").succeeds()

    def test_if_newer(self):
        self.write("a.onnx", "old")
        self.run_dltool("convert", "a.keras", "a.onnx", "--if-newer").succeeds().prints("left as it is")
        self.assertEqual((self.folder / "a.onnx").read_text(), "old")
        os.utime(self.folder / "a.onnx", (1, 1))
        self.run_dltool("convert", "a.keras", "a.onnx", "--if-newer").succeeds().prints("samples agree")
        os.utime(self.folder / "a.keras", (time.time() + 5,) * 2)
        self.assertEqual(self.run_dltool("convert", "a.keras", "a.onnx", "--if-newer", "--json").json()["status"], "converted")

    def test_lock(self):
        with open(self.folder / "lock", "w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.run_dltool("convert", "a.keras", "a.onnx", "--lock", "lock").fails(75, "another process holds this lock")
        self.assertFalse((self.folder / "a.onnx").exists())
        self.run_dltool("convert", "a.keras", "a.onnx", "--lock", "lock").succeeds()

    def test_glob_with_a_bad_file_among_them(self):
        for path in ("models/x/b.keras", "models/c.keras", "models/x/deep/d.keras"):
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes((self.folder / "a.keras").read_bytes())
        self.write("models/bad.keras", "no model")
        for jobs in (1, 3):
            result = self.run_dltool("convert", "--glob", "models/**/*.keras", "--to", "onnx", "--out-dir", f"out{jobs}", "--jobs", jobs, "--json",
                                     "--manifest", f"manifest{jobs}.jsonl").exits(3)
            lines = sorted((json.loads(line) for line in result.stdout.splitlines()), key=lambda r: r["source"])
            self.assertEqual([(r["source"], r["status"]) for r in lines],
                             [("models/bad.keras", "failed"), ("models/c.keras", "converted"), ("models/x/b.keras", "converted"),
                              ("models/x/deep/d.keras", "converted")])
            self.assertEqual(lines[0]["error"]["code"], 3)
            self.assertTrue((self.folder / f"out{jobs}/x/deep/d.onnx").exists())
            self.assertEqual(sorted((self.folder / f"manifest{jobs}.jsonl").read_text().splitlines()), sorted(result.stdout.splitlines()))

    def test_nothing_fits(self):
        self.run_dltool("convert", "--glob", "none/*.h5", "--to", "onnx").fails(2, "no file fits")

    def test_tolerance(self):
        """Half precision cannot hold float32's tolerance: exit 1, and what was there stays."""
        self.write("a.onnx", "old")
        self.run_dltool("convert", "a.keras", "a.onnx", "--half", "--atol", 0, "--rtol", "1e-9", "--force").fails(1, r"a\.onnx: output 'digit': \d+ of 30 elements differ")
        self.assertEqual((self.folder / "a.onnx").read_text(), "old")
        self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["a.keras", "a.onnx"])
        self.run_dltool("convert", "a.keras", "b.onnx", "--half").succeeds()


class Timers(CliTest):
    """The lines of configs/cron do what they say, with /srv and /run/lock in the test's folder."""

    CONFIGS = ROOT / "configs/cron"

    def setUp(self):
        super().setUp()
        (self.folder / "models/deep").mkdir(parents=True)
        self.run_dltool("convert", trained.newest_checkpoint(trained.digits()), "models/deep/a.keras").succeeds()
        (self.folder / "bin").mkdir()
        (self.folder / "bin/dltool").symlink_to(DLTOOL)

    def here(self, text):
        return text.replace("/srv", str(self.folder)).replace("/run/lock", str(self.folder))

    def check(self, run):
        run()
        self.assertTrue((self.folder / "onnx/deep/a.onnx").exists())
        first = (self.folder / "onnx/manifest.jsonl").read_text()
        self.assertEqual(json.loads(first)["status"], "converted")
        run()  # nothing is newer
        again = (self.folder / "onnx/manifest.jsonl").read_text().removeprefix(first)
        self.assertEqual(json.loads(again)["status"], "skipped")

    def test_cron(self):
        lines = [line for line in (self.CONFIGS / "dltool-convert.cron").read_text().splitlines() if line and not line.startswith("#")]
        job = lines[-1].split(maxsplit=6)
        self.assertRegex(" ".join(job[:5]), r"^[\d*]+ [\d*]+ [\d*]+ [\d*]+ [\d*]+$")
        self.assertEqual(job[5], "root")
        self.assertNotIn("%", job[6])  # cron would make it a line break

        def run():
            result = self.shell(f"PATH={self.folder}/bin:$PATH; {self.here(job[6])}").succeeds()
            self.assertEqual(result.stdout + result.stderr, "")  # cron would mail it

        self.check(run)

    def test_systemd(self):
        service = dict(line.split("=", 1) for line in (self.CONFIGS / "dltool-convert.service").read_text().splitlines() if re.match(r"\w+=", line))
        self.assertEqual(self.here(service["WorkingDirectory"]), str(self.folder))
        words = [self.here(word) for word in service["ExecStart"].split()]
        self.assertEqual(words[0], "dltool")
        self.check(lambda: self.run_dltool(*words[1:]).succeeds())
        with open(self.folder / "dltool-convert.lock", "w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            self.run_dltool(*words[1:]).exits(int(service["SuccessExitStatus"]))


class Mistakes(CliTest):
    def test_usage(self):
        self.run_dltool("convert").exits(2).complains("Usage: dltool convert")
        self.run_dltool("convert", "a.keras").fails(2, "give DST or --to")
        self.run_dltool("convert", "a.keras", "b.onnx").fails(2, r"a\.keras: does not exist")
        self.write("m.yaml", "inputs: {x: {shape: [3]}}\nlayers: [{Dense: {units: 2}}]")
        self.run_dltool("convert", "m.yaml", "m.xyz").fails(2, r"m\.xyz: the suffix does not tell the format; use .*\.onnx")
        self.run_dltool("convert", "m.yaml", "no/m.onnx").fails(2, "its folder .*no does not exist")
        self.run_dltool("convert", "m.yaml", "--to", "onxx").fails(2, "onnx")


class Memory(CliTest):
    """Weights are in memory once: what is made of them on their way is made piece by piece."""

    WEIGHTS = 8 * 2048 * 2048 * 4 / 2**20  # MiB
    TARGETS = {"ckpt.h5": [], "onnx": ["--half"], "keras": ["--half"], "h5": ["--half"], "safetensors": ["--half"], "tfjs": ["--half"]}

    def model(self, name, units, count):
        layers = "\n".join(f"  - Dense: {{units: {units}, use_bias: false}}" for _ in range(count))
        self.write(f"{name}.yaml", f"inputs: {{x: {{shape: [{units}]}}}}\nlayers:\n{layers}")
        self.run_dltool("convert", f"{name}.yaml", f"{name}.keras", "--no-verify").succeeds()
        return f"{name}.keras"

    def peak(self, *arguments):
        process = self.start_dltool(*arguments)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0, process.stderr.read())
        return usage.ru_maxrss / 1024

    def test_a_model_is_in_memory_once(self):
        small, large = self.model("small", 4, 8), self.model("large", 2048, 8)
        for suffix, options in self.TARGETS.items():
            with self.subTest(suffix=suffix):
                base = self.peak("convert", small, f"small.out.{suffix}", *options)
                self.assertLess(self.peak("convert", large, f"large.out.{suffix}", *options), base + 1.15 * self.WEIGHTS + 8)
        for name in ("small", "large"):
            units = 4 if name == "small" else 2048
            self.write(f"{name}.npz", npy.dumps_npz(x=("<f4", (1, units), [0.5] * units)))
        for source in ("keras", "out.ckpt.h5", "out.onnx"):
            with self.subTest(source=source):
                base = self.peak("predict", f"small.{source}", "--inputs", "small.npz", "--outputs", "out.npz")
                peak = self.peak("predict", f"large.{source}", "--inputs", "large.npz", "--outputs", "out.npz")
                self.assertLess(peak, base + 1.15 * self.WEIGHTS + 8)


if __name__ == "__main__":
    main()
