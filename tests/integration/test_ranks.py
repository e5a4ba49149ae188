"""Repeatable bits: the same with any number of ranks when the batch is cut into micro-batches, with any number of threads under
`deterministic: strict`, and twice from the same command always."""

import math

from runs import RunTest, epochs, main, spec, steps
from trained import png


class Ranks(RunTest):
    def run_once(self, name, *arguments, threads=1):
        self.run_dltool("train", "run.yaml", "--threads", threads, "-q", "-o", name, *arguments, timeout=120).succeeds()
        return self.final(name), steps(self.folder / name / "metrics.jsonl")

    def same(self, first, second, what):
        self.assertEqual(first[1], second[1], f"{what}: losses")
        self.assertEqual(first[0], second[0], f"{what}: weights")

    def test_microbatches_give_the_same_bits_on_1_2_and_4_ranks(self):
        # 22 steps an epoch: the sixteenth part that is left over is dropped.
        self.write_spec(spec(microbatches=4, epochs=3))
        one = self.run_once("one")
        self.assertGreaterEqual(len(one[1]), 50)
        self.assertLess(one[1][-1][1], one[1][0][1], "nothing was learned")
        for ranks in (2, 4):
            with self.subTest(ranks=ranks):
                self.same(one, self.run_once(f"ranks-{ranks}", "--ranks", ranks), f"{ranks} ranks")

    def test_microbatches_with_every_other_optimizer_feature(self):
        self.write_spec(spec(microbatches=4, epochs=2, optimizer={"SGD": {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "global_clipnorm": 0.5,
                                                                          "weight_decay": 0.001}}))
        one = self.run_once("one")
        for ranks in (2, 4):
            self.same(one, self.run_once(f"ranks-{ranks}", "--ranks", ranks), f"{ranks} ranks")

    def test_logs_are_those_of_one_rank(self):
        self.write_spec(spec(microbatches=4, epochs=2))
        self.run_once("one")
        self.run_once("two", "--ranks", 2)
        first, second = (epochs(self.folder / name / "metrics.jsonl") for name in ("one", "two"))
        self.assertEqual(len(first), len(second))
        for a, b in zip(first, second):
            self.assertEqual(a.keys(), b.keys())
            for key, value in a.items():
                self.assertAlmostEqual(value, b[key], delta=1e-6, msg=key)

    def test_whole_shares_are_close_and_repeatable(self):
        self.write_spec(spec(epochs=2))
        one = self.run_once("one")
        two = self.run_once("two", "--ranks", 2)
        self.same(two, self.run_once("again", "--ranks", 2), "the same command twice")
        self.assertEqual(len(one[1]), len(two[1]))
        self.assertTrue(all(math.isfinite(loss) for _, loss in two[1]))
        # Batch statistics of half a batch and other dropout: close, not equal.
        self.assertLess(abs(one[1][-1][1] - two[1][-1][1]), 0.3)
        self.assertLess(two[1][-1][1], 0.6 * two[1][0][1])

    def test_microbatches_must_divide_among_ranks(self):
        self.write_spec(spec(microbatches=4, epochs=1))
        self.run_dltool("train", "run.yaml", "-q", "--ranks", 3).fails(2, r"micro-?batch.*rank|rank.*micro-?batch")

    def test_resumed_on_another_number_of_ranks(self):
        """A run that was cut in the middle of an epoch goes on with more ranks, with the same bits and the same logs of that epoch."""
        self.write_spec(spec(microbatches=4, epochs=2, checkpoints={"steps": 9, "keep": 100}))
        for before, after in ((1, 2), (2, 4), (2, 2), (2, 1)):
            with self.subTest(before=before, after=after):
                self.run_once("run", "--ranks", before)
                undisturbed, logs = self.final(), epochs(self.folder / "run/metrics.jsonl")
                for path in self.checkpoints():
                    if path.name > "step-00000027.ckpt.h5":
                        path.unlink()
                self.assertEqual(self.checkpoints()[-1].name, "step-00000027.ckpt.h5")
                self.run_dltool("train", "run.yaml", "-q", "--threads", 1, "--ranks", after, "--resume", "auto").succeeds()
                self.assertEqual(self.final(), undisturbed)
                for a, b in zip(logs, epochs(self.folder / "run/metrics.jsonl"), strict=True):
                    for key, value in a.items():
                        self.assertAlmostEqual(value, b[key], delta=1e-6, msg=key)

    def test_unreadable_images_may_leave_a_rank_without_samples(self):
        """Batches of 4, not shuffled, on 2 ranks: one whose second half cannot be read, one that lacks a sample, one whole."""
        for number in range(12):
            broken = number in (4, 6, 3)
            path = self.folder / f"images/{number % 2}/{number:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(20 * number)[: 40 if broken else None])
        # Sorted by class: 0 2 4 6 | 8 10 1 3 | 5 7 9 11.
        run = spec(epochs=2, batch_size=4)
        run["data"] = {"train": {"format": "images", "path": "images", "size": [8, 8], "color": "gray", "corrupt": "skip"}, "shuffle": False}
        run["model"]["layers"][-1]["Dense"]["units"] = 2
        for micro, ranks, trained in ((None, 1, 6), (None, 2, 4), (2, 1, 2), (2, 2, 2)):
            with self.subTest(microbatches=micro, ranks=ranks):
                run["training"]["microbatches"] = micro or 0
                self.write_spec(run)
                name = f"run-{micro}-{ranks}"
                result = self.run_dltool("train", "run.yaml", "--threads", 1, "-o", name, "--ranks", ranks, timeout=60).succeeds()
                self.assertEqual(len(steps(self.folder / name / "metrics.jsonl")), trained)
                if trained < 6:
                    result.complains(r"epoch 1, batch 1: left out, too few of its samples can be read")

    def test_time_limit_on_ranks(self):
        self.write_spec(spec(microbatches=4, epochs=3))
        one = self.run_once("one")
        interrupted = 0
        for _ in range(100):
            result = self.run_dltool("train", "run.yaml", "-q", "--threads", 1, "--ranks", 2, "--resume", "auto", "--max-time", "0.02s")
            if result.code == 0:
                break
            result.exits(75)
            interrupted += 1
        self.assertGreater(interrupted, 0)
        self.assertEqual((self.final("run"), steps(self.folder / "run/metrics.jsonl")), one)


class Threads(RunTest):
    def run_threads(self, name, threads):
        self.run_dltool("train", "run.yaml", "--threads", threads, "-q", "-o", name, timeout=120).succeeds()
        return self.final(name), steps(self.folder / name / "metrics.jsonl")

    def test_strict_is_the_same_with_1_and_2_and_3_threads(self):
        self.write_spec(spec(deterministic="strict", epochs=2))
        one = self.run_threads("one", 1)
        for threads in (2, 3):
            self.assertEqual(one, self.run_threads(f"threads-{threads}", threads))

    def test_same_command_twice_with_2_threads(self):
        self.write_spec(spec(epochs=2))
        self.assertEqual(self.run_threads("a", 2), self.run_threads("b", 2))

    def test_another_seed_is_another_run(self):
        self.write_spec(spec(epochs=1))
        first = self.run_threads("a", 1)
        self.write_spec(spec(epochs=1, seed=1))
        self.assertNotEqual(first[0], self.run_threads("b", 1)[0])


if __name__ == "__main__":
    main()
