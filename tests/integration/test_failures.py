"""What goes wrong around a run: numbers that are not finite, a disk that is full, limited or read-only. The last good checkpoint stays."""

import contextlib
import os
import resource
import subprocess
import unittest

from runs import RunTest, h5py, finite, main, spec, steps

LINE = {
    "model": {"inputs": {"x": {"shape": [1]}}, "layers": [{"Dense": {"units": 1, "use_bias": False, "name": "w"}}]},
    "data": {"train": {"path": "line.csv", "columns": {"y": "y"}}, "shuffle": False},
    "training": {"loss": "mse", "batch_size": 4, "epochs": 40, "optimizer": {"SGD": {"learning_rate": 1.5}}, "log_steps": True},
    "output": "run",
}


class NotFinite(RunTest):
    def all_good(self):
        for path in self.checkpoints():
            if h5py:
                self.assertTrue(finite(path), path)
            self.run_dltool("inspect", path, "--json").succeeds()

    def test_stop(self):
        self.write_spec(spec(epochs=1))
        self.train().succeeds()
        before = {p.name: p.read_bytes() for p in self.checkpoints()}
        self.write_spec(spec(epochs=3, optimizer={"Adam": {"learning_rate": 1e38}}, checkpoints={"steps": 1}))
        self.train("--resume", "auto").fails(5, r"(loss is|no longer finite).*last good checkpoint")
        for name, content in before.items():
            path = self.folder / "run/checkpoints" / name
            if path.exists():
                self.assertEqual(path.read_bytes(), content)
        self.all_good()
        self.no_leftovers()

    def test_stop_before_any_checkpoint(self):
        self.write_spec(spec(epochs=1, optimizer={"SGD": {"learning_rate": 1e30}}))
        self.train().fails(5, "step [0-9]+")
        self.assertEqual(self.checkpoints(), [])

    def test_skip_is_as_if_the_batch_was_not_there(self):
        rows = [f"{(i * 37 % 100) / 50 - 1!r},{(i * 53 % 100) / 50 - 1!r}" for i in range(40)]
        broken = list(rows)
        broken[13] = "nan,0.5"
        header = "x,y"
        content = {**LINE, "training": {**LINE["training"], "epochs": 3, "optimizer": {"SGD": {"learning_rate": 0.05, "momentum": 0.9}}, "on_nan": "skip"}}
        content["data"] = {"train": {**LINE["data"]["train"], "missing": "nan"}, "shuffle": False}
        self.write_spec(content)
        self.write("line.csv", "\n".join([header, *rows[:12], *rows[16:]]) + "\n")
        self.train("-o", "without").succeeds()
        self.write("line.csv", "\n".join([header, *broken]) + "\n")
        result = self.train().succeeds()
        self.assertEqual(result.stderr.count("the step was skipped"), 3, result)
        self.assertEqual([loss for _, loss in steps(self.folder / "run/metrics.jsonl")], [loss for _, loss in steps(self.folder / "without/metrics.jsonl")])
        self.all_good()

    def test_rollback_with_a_lower_learning_rate(self):
        # w - 3 doubles with each step of 1.5 and halves with 0.75.
        self.write("line.csv", "x,y\n" + "1,3\n" * 40)
        self.write_spec({**LINE, "training": {**LINE["training"], "on_nan": "rollback"}})
        result = self.train().succeeds()
        result.complains(r"the loss is inf; back to run/checkpoints/step-\d+\.ckpt\.h5 with the learning rate times 0\.5")
        logged = steps(self.folder / "run/metrics.jsonl")
        self.assertEqual([step for step, _ in logged], list(range(1, 401)))
        self.assertLess(logged[-1][1], 1e-9)
        self.all_good()

    def test_rollback_gives_up(self):
        self.write("line.csv", "x,y\n" + "1,3\n" * 39 + "nan,3\n")
        content = {**LINE, "training": {**LINE["training"], "on_nan": "rollback", "optimizer": {"SGD": {"learning_rate": 0.1}}, "checkpoints": {"steps": 4}}}
        content["data"] = {"train": {**LINE["data"]["train"], "missing": "nan"}, "shuffle": False}
        self.write_spec(content)
        result = self.train().exits(5)
        self.assertEqual(result.stderr.count("back to"), 3, result)
        self.all_good()


def big_spec(**training):
    """A checkpoint of about 150 kB."""
    content = spec(**{"epochs": 12, **training})
    content["model"]["layers"].insert(5, {"Dense": {"units": 256, "activation": "relu"}})
    return content


class Disk(RunTest):
    @contextlib.contextmanager
    def small_disk(self, path, size):
        path.mkdir(parents=True, exist_ok=True)
        if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], capture_output=True).returncode != 0:
            raise unittest.SkipTest("mounting a small tmpfs needs root and the right to mount")
        try:
            yield path
        finally:
            subprocess.run(["umount", "-l", path], check=True)

    def remount(self, path, options):
        subprocess.run(["mount", "-o", f"remount,{options}", path], check=True, capture_output=True)

    def all_load(self):
        found = self.checkpoints()
        self.assertTrue(found)
        for path in found:
            self.run_dltool("inspect", path, "--json").succeeds()
        self.assertEqual([p.name for p in (self.folder / "run/checkpoints").iterdir() if not p.name.endswith(".ckpt.h5")], [])

    def test_full_disk_goes_on_and_says_so(self):
        self.write_spec(big_spec(checkpoints={"keep": 100}))
        self.train("-o", "whole").succeeds()
        with self.small_disk(self.folder / "run/checkpoints", "1m") as disk:
            result = self.train(timeout=120)
            # Training went on to the end, but its result is not on disk: no success.
            result.exits(4).complains(r"warning.*No space left.*training goes on").complains(r"^dltool: .*No space left")
            self.assertEqual(len(steps(self.folder / "run/metrics.jsonl")), len(steps(self.folder / "whole/metrics.jsonl")))
            self.assertGreater(len(self.checkpoints()), 1)
            self.assertLess(len(self.checkpoints()), 12)
            self.all_load()
            self.remount(disk, "size=16m")
            self.train("--resume", "auto").succeeds()
            self.assertEqual(self.final(), self.final("whole"))

    def test_full_disk_stops_on_request(self):
        self.write_spec(big_spec(checkpoints={"keep": 100, "on_error": "stop"}))
        with self.small_disk(self.folder / "run/checkpoints", "1m"):
            self.train().fails(4, "No space left")
            self.assertLess(len(steps(self.folder / "run/metrics.jsonl")), 12 * 23)
            self.all_load()

    def test_the_whole_run_folder_is_full(self):
        self.write_spec(big_spec(checkpoints={"keep": 100}, epochs=20))
        with self.small_disk(self.folder / "run", "1m"):
            result = self.train(timeout=120)
            result.exits(4).complains("No space left")
            self.all_load()
            for line in (self.folder / "run/metrics.jsonl").read_text().splitlines():
                self.assertTrue(line.startswith("{") and line.endswith("}"), line)

    def test_read_only(self):
        self.write_spec(spec(epochs=2))
        with self.small_disk(self.folder / "run/checkpoints", "8m") as disk:
            self.train().succeeds()
            before = {p.name: p.read_bytes() for p in self.checkpoints()}
            self.remount(disk, "ro")
            self.train("--resume", "auto", "training.epochs=4").exits(4).complains(r"warning.*[Rr]ead-only.*training goes on")
            self.assertEqual({p.name: p.read_bytes() for p in self.checkpoints()}, before)
            self.train("--resume", "auto", "training.epochs=4", "training.checkpoints.on_error=stop").fails(4, "[Rr]ead-only")
            self.remount(disk, "rw")
            self.train("--resume", "auto", "training.epochs=4").succeeds()
        self.train("-o", "/proc/run").fails(4, "/proc/run: cannot create")

    def test_file_size_limit(self):
        self.write_spec(big_spec(epochs=2, log_steps=False))
        result = self.train(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)))
        result.exits(4).complains(r"warning.*ckpt\.h5.*File too large.*training goes on").complains(r"^dltool: .*File too large")
        self.assertEqual(list((self.folder / "run/checkpoints").iterdir()), [])
        self.train("--resume", "auto").succeeds()


if __name__ == "__main__":
    main()
