"""An interrupted run goes on and ends with the bits of an undisturbed one: kill -9 at any moment, signals, the time limit, damaged files."""

import glob
import json
import os
import random
import shutil
import signal
import time

from runs import RunTest, epochs, h5py, main, spec, steps

KILLS = 30

# A memory in every part that has one.
MEMORY = {
    "callbacks": [{"ModelCheckpoint": {"monitor": "val_loss", "save_best_only": True}}, {"EarlyStopping": {"monitor": "val_loss", "patience": 50}}],
    "checkpoints": {"steps": 3, "keep": 2},
}


class Kill(RunTest):
    def test_thirty_kills_at_random_moments(self):
        self.write_spec(spec(epochs=10, **MEMORY))
        start = time.monotonic()
        self.train("-o", "whole").succeeds()
        whole_seconds = time.monotonic() - start
        chance = random.Random(20261121)
        kills = progressed = 0
        newest = ""
        while kills < KILLS:
            process = self.start_dltool("train", "run.yaml", "--threads", "1", "-q", "--resume", "auto")
            # From the first instructions to well into an epoch, a new moment each time; a run that ends by itself is begun again.
            time.sleep(chance.uniform(0.01, 0.25 * whole_seconds))
            if process.poll() is not None:
                self.assertEqual(process.returncode, 0, process.stderr.read())
                self.agrees_with_whole()
                shutil.rmtree(self.folder / "run")
                newest = ""
                continue
            process.kill()
            process.wait()
            process.communicate()
            kills += 1
            found = [p.name for p in self.checkpoints()]
            if found and found[-1] > newest:
                newest = found[-1]
                progressed += 1
        self.assertGreater(progressed, KILLS // 6, "the kills hit too early to prove anything")
        self.train("--resume", "auto", timeout=120).succeeds()
        self.agrees_with_whole()

    def agrees_with_whole(self):
        self.assertEqual(self.final("run"), self.final("whole"), "weights")
        self.assertEqual(self.checkpoints("run")[-1].name, self.checkpoints("whole")[-1].name)
        best = [self.weights(self.folder / run / "checkpoints/best.ckpt.h5") for run in ("run", "whole")]
        self.assertEqual(*best, "the best weights")
        for read in (steps, epochs):
            self.assertEqual(*[read(self.folder / run / "metrics.jsonl") for run in ("run", "whole")])
        columns = [[",".join(line.split(",")[:-3]) for line in (self.folder / run / "metrics.csv").read_text().splitlines()] for run in ("run", "whole")]
        self.assertEqual(*columns)
        self.assertTrue((self.folder / "run/report.html").exists())
        self.no_leftovers("run")


class Signals(RunTest):
    def setUp(self):
        super().setUp()
        self.write_spec(spec(epochs=6))

    def whole(self):
        self.train("-o", "whole").succeeds()
        return self.final("whole"), steps(self.folder / "whole/metrics.jsonl")

    def wait_for_steps(self, count, path="run/metrics.jsonl"):
        log = self.folder / path
        for _ in range(3000):
            if log.exists() and log.read_bytes().count(b"\n") >= count:
                return
            time.sleep(0.005)
        self.fail("the run does not start")

    def test_each_signal_saves_and_exits_75(self):
        whole = self.whole()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            with self.subTest(signal=number.name):
                shutil.rmtree(self.folder / "run", ignore_errors=True)
                process = self.start_dltool("train", "run.yaml", "--threads", "1")
                self.wait_for_steps(random.Random(number).randint(2, 60))
                process.send_signal(number)
                out, err = process.communicate(timeout=30)
                self.assertEqual(process.returncode, 75, err)
                self.assertRegex(err, r"signal \d+.*--resume auto")
                self.assertIn("stopped:", out)
                self.assertEqual(len(self.checkpoints()) > 0, True)
                done = len(steps(self.folder / "run/metrics.jsonl"))
                self.assertLess(done, len(whole[1]))
                self.train("--resume", "auto").succeeds()
                self.assertEqual((self.final(), steps(self.folder / "run/metrics.jsonl")), whole)

    def test_max_time_in_pieces(self):
        whole = self.whole()
        for piece in range(200):
            result = self.train("--resume", "auto", "--max-time", "0.02s", "--json")
            if result.code == 0:
                break
            result.exits(75)
            self.assertEqual((result.json()["status"], result.json()["stop_reason"]), ("interrupted", "time limit"))
        self.assertGreater(piece, 0, "never interrupted")
        self.assertEqual(result.json()["status"], "finished")
        self.assertEqual((self.final(), steps(self.folder / "run/metrics.jsonl")), whole)

    def test_second_signal_exits_at_once(self):
        # One step takes long, so that the first signal is still waiting for its end.
        content = spec(batch_size=1438, epochs=1000)
        content["model"]["layers"][0] = {"Conv2D": {"filters": 256, "kernel_size": 3, "padding": "same"}}
        self.write_spec(content)
        process = self.start_dltool("train", "run.yaml", "--threads", "1", "-q")
        self.wait_for_steps(1)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        process.wait(30)
        # Two that arrive together are taken in either order.
        self.assertIn(process.returncode, (130, 143))
        self.assertLess(time.monotonic() - start, 5)

    def test_a_signal_before_the_first_step(self):
        process = self.start_dltool("train", "run.yaml", "--threads", "1", "-q")
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        self.assertIn(process.returncode, (-signal.SIGTERM, 143, 75))


class Changes(RunTest):
    def setUp(self):
        super().setUp()
        self.write_spec(spec(epochs=2))
        self.train().succeeds()

    def resume(self, *changes):
        return self.run_dltool("train", "run.yaml", "--threads", "1", "--resume", "auto", *changes)

    def test_more_epochs(self):
        self.resume("training.epochs=4").succeeds().complains(r"training\.epochs: 2 -> 4")
        self.write_spec(spec(epochs=4))
        self.train("-o", "whole").succeeds()
        self.assertEqual(self.final(), self.final("whole"))
        self.assertEqual(epochs(self.folder / "run/metrics.jsonl"), epochs(self.folder / "whole/metrics.jsonl"))

    def test_nothing_changed(self):
        before = self.final()
        result = self.resume().succeeds()
        self.assertNotRegex(result.stderr, "changed")
        result.prints(r"^checkpoint +run/checkpoints/step-\d+\.ckpt\.h5$")
        self.assertEqual(self.final(), before)

    def test_learning_rate_and_patience(self):
        content = spec(epochs=3, optimizer={"Adam": {"learning_rate": 0.001}}, callbacks=[{"EarlyStopping": {"patience": 7}}])
        self.write_spec(content)
        self.resume().succeeds().complains(r"learning_rate.* -> 0\.001").complains(r"patience.* -> 7")
        self.assertAlmostEqual(epochs(self.folder / "run/metrics.jsonl")[-1]["learning_rate"], 0.001)

    def test_refused(self):
        before = [p.read_bytes() for p in self.checkpoints()]
        for change, names in {
            "training.seed=5": r"training\.seed: 0 -> 5|training\.seed: \(not set\) -> 5",
            "training.batch_size=32": r"training\.batch_size: 64 -> 32",
            "training.loss=mse": "training.loss",
            "data.seed=3": r"data\.seed",
            "data.shuffle=false": r"data\.shuffle",
            "data.validation.split=0.5": r"data\.validation\.split: 0\.2 -> 0\.5",
            "model.layers[0].Conv2D.filters=5": r"filters: 4 -> 5",
        }.items():
            with self.subTest(change):
                result = self.resume("training.epochs=4", change)
                result.fails(2, names, lines=None)
        self.assertEqual([p.read_bytes() for p in self.checkpoints()], before)

    def test_another_metric_in_the_middle_of_an_epoch(self):
        self.write_spec(spec(epochs=3, checkpoints={"steps": 5, "epochs": 0, "keep": 100}))
        self.train("-o", "run").succeeds()
        for path in self.checkpoints():
            if path.name > "step-00000010.ckpt.h5":
                path.unlink()
        self.write_spec(spec(epochs=3, metrics=["accuracy", {"SparseTopKCategoricalAccuracy": {"k": 2}}]))
        self.resume().succeeds().complains("metrics")

    def test_a_path(self):
        self.write_spec(spec(epochs=4, checkpoints={"keep": 10}))
        self.train("-o", "whole").succeeds()
        self.train("-o", "other", "--resume", self.checkpoints("whole")[1]).succeeds()
        self.assertEqual(self.final("other"), self.final("whole"))
        self.train("--resume", "nowhere.ckpt.h5").fails(2, r"nowhere\.ckpt\.h5: there is no such file")

    def test_a_new_run_in_the_folder_of_another(self):
        """No checkpoint of the old run may pass for one of the new."""
        self.write_spec(spec(epochs=2, **MEMORY))
        self.train().succeeds()
        self.assertTrue((self.folder / "run/checkpoints/best.ckpt.h5").exists())
        self.write_spec(spec(epochs=1, seed=9))
        result = self.train("--json").succeeds().json()
        self.assertEqual(result["best_checkpoint"], "")
        self.assertEqual([p.name for p in (self.folder / "run/checkpoints").iterdir()], [os.path.basename(result["checkpoint"])])


class Edges(RunTest):
    def test_cut_after_the_last_batch_of_an_epoch(self):
        """The epoch's end is still to come: its logs and callbacks must see the learning rate of its last step."""
        self.write_spec(spec(epochs=4, optimizer={"Adam": {"learning_rate": 0.01}}, checkpoints={"epochs": 0, "steps": 23, "keep": 100},
                             callbacks=[{"ReduceLROnPlateau": {"monitor": "val_loss", "patience": 1, "min_delta": 10, "factor": 0.5}}]))
        self.train("-o", "whole").succeeds()
        self.assertEqual([round(e["learning_rate"], 6) for e in epochs(self.folder / "whole/metrics.jsonl")], [0.01, 0.01, 0.005, 0.0025])
        for step in (23, 46, 69):
            with self.subTest(step=step):
                shutil.rmtree(self.folder / "run", ignore_errors=True)
                self.train("--resume", self.folder / f"whole/checkpoints/step-{step:08}.ckpt.h5").succeeds()
                self.assertEqual(self.final(), self.final("whole"))
                # Logs of before the cut are those of the folder; here it is a new one.
                done = step // 23 - 1
                self.assertEqual(epochs(self.folder / "run/metrics.jsonl"), epochs(self.folder / "whole/metrics.jsonl")[done:])

    def test_weights_to_put_back_survive(self):
        self.write_spec(spec(epochs=9, checkpoints={"steps": 10, "keep": 100},
                             callbacks=[{"EarlyStopping": {"monitor": "val_loss", "patience": 2, "min_delta": 10, "restore_best_weights": True}}]))
        whole = self.train("-o", "whole", "--json").succeeds().json()
        self.assertEqual((whole["epochs"], whole["stop_reason"][:8]), (3, "val_loss"))
        first = self.folder / "whole/checkpoints/step-00000023.ckpt.h5"
        # What is remembered and the slots differ, the weights do not.
        kinds = ("kernel", "moving_mean") if h5py else ("predictions",)
        for kind in kinds:
            names = [n for n in self.weights(first) if n.endswith(kind) and "remembered" not in n and not n.startswith("/slots")]
            self.assertTrue(names)
            for name in names:
                self.assertEqual(self.final("whole")[name], self.weights(first)[name])
        for step in (20, 30, 60):
            with self.subTest(step=step):
                shutil.rmtree(self.folder / "run", ignore_errors=True)
                self.train("--resume", self.folder / f"whole/checkpoints/step-{step:08}.ckpt.h5").succeeds()
                self.assertEqual(self.final(), self.final("whole"))


class Damage(RunTest):
    def setUp(self):
        super().setUp()
        self.write_spec(spec(epochs=4))
        self.train().succeeds()
        self.expected = self.final()

    def damage(self, path, change):
        content = bytearray(path.read_bytes())
        change(content)
        path.write_bytes(content)

    def flip(self, content):
        chance = random.Random(len(content))
        for _ in range(3):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)

    def test_falls_back_to_the_one_before(self):
        for what, change in {"flipped bits": self.flip, "cut": lambda c: c.__delitem__(slice(len(c) // 2, None)), "empty": lambda c: c.clear(),
                             "zeros": lambda c: c.__setitem__(slice(len(c) // 2, None), bytes(len(c) - len(c) // 2))}.items():
            with self.subTest(what):
                newest = self.checkpoints()[-1]
                self.damage(newest, change)
                result = self.run_dltool("train", "run.yaml", "--threads", "1", "--resume", "auto").succeeds()
                result.complains(rf"warning.*{newest.name}").complains(rf"resuming from .*{self.checkpoints()[-2].name}")
                self.assertEqual(self.final(), self.expected)

    def test_all_damaged(self):
        for path in self.checkpoints():
            self.damage(path, self.flip)
        before = [p.read_bytes() for p in self.checkpoints()]
        self.train("--resume", "auto").exits(3).complains("ckpt.h5")
        self.assertEqual([p.read_bytes() for p in self.checkpoints()], before, "a damaged file is evidence, not rubbish")

    def test_other_commands_refuse(self):
        newest = self.checkpoints()[-1]
        self.damage(newest, self.flip)
        for command in ("inspect", "eval"):
            self.run_dltool(command, newest).fails(3, newest.name)


class Clock(RunTest):
    def test_clock_that_steps_back(self):
        """Nothing but the time stamps of the logs depends on the clock of the day."""
        libraries = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        if not libraries:
            self.skipTest("the package faketime is not installed")
        self.write_spec(spec(epochs=8, checkpoints={"seconds": 0.05}))
        self.train("-o", "whole").succeeds()
        clock = self.write("clock", "+0")
        fake = {"LD_PRELOAD": libraries[0], "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "DONT_FAKE_MONOTONIC": "1"}
        process = self.start_dltool("train", "run.yaml", "--threads", "1", "-q", "--max-time", "30m", env=fake)
        log = self.folder / "run/metrics.jsonl"
        for _ in range(3000):
            if log.exists() and log.read_bytes().count(b"\n") > 20:
                break
            time.sleep(0.005)
        clock.write_text("-2h")
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 0, err)
        records = [json.loads(line) for line in log.read_text().splitlines()]
        self.assertLess(min(b["time"] - a["time"] for a, b in zip(records, records[1:])), -3600, "the clock did not step")
        self.assertEqual(self.final(), self.final("whole"))
        for record in records:
            if record["type"] == "epoch":
                self.assertTrue(0 < record["seconds"] < 60 and 0 <= record["data_wait_seconds"] < 60, record)


if __name__ == "__main__":
    main()
