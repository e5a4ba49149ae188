"""dltool bench: cases, figures that fit together, JSON, errors."""

import trained
from cli import ROOT, CliTest, main

CNN = ROOT / "models/digits-cnn.yaml"


class Bench(CliTest):
    def bench(self, *arguments):
        return self.run_dltool("bench", "--seconds", "0.05", *arguments)

    def test_json(self):
        value = self.bench(CNN, "--json", "--threads", "1").succeeds().json()
        self.assertEqual(list(value), ["schema_version", "model", "environment", "cases"])
        environment = value["environment"]
        for key in ["version", "commit", "cpu", "isa", "onednn", "threads"]:
            self.assertIn(key, environment)
        self.assertEqual(environment["threads"], 1)
        self.assertEqual([(c["mode"], c["batch"]) for c in value["cases"]], [("infer", 1), ("infer", 32)])
        for case in value["cases"]:
            t = case["latency_seconds"]
            self.assertTrue(0 < t["min"] <= t["p50"] <= t["p90"] <= t["p99"] <= t["max"], t)
            self.assertTrue(t["min"] <= t["mean"] <= t["max"])
            self.assertAlmostEqual(case["samples_per_second"], case["batch"] / t["p50"], places=3)
            self.assertGreaterEqual(case["runs"], 5)
            rows = case["profile"]["rows"]
            self.assertAlmostEqual(sum(r["share"] for r in rows), 1, places=6)
            self.assertAlmostEqual(sum(r["flops"] for r in rows), case["flops"])
            self.assertAlmostEqual(sum(r["seconds"] for r in rows), case["profile"]["seconds"])
        one, many = value["cases"]
        # Convolutions and the dense layers are nearly all of the work.
        work = 2 * (64 * 9 * 16 + 64 * 9 * 16 * 32 + 512 * 64 + 64 * 10)
        self.assertGreaterEqual(one["flops"], work)
        self.assertLess(one["flops"], 1.1 * work)
        self.assertAlmostEqual(many["flops"] / one["flops"], 32, delta=0.5)
        self.assertGreater(many["latency_seconds"]["p50"], one["latency_seconds"]["p50"])
        self.assertTrue({"conv2d", "conv2d_1", "dense", "dense_1"} <= {r["scope"].split("/")[0] for r in one["profile"]["rows"]})

    def test_run_file_measures_training_too(self):
        value = self.bench(trained.digits() / "run.yaml", "--json").succeeds().json()
        cases = {(c["mode"], c["batch"]): c for c in value["cases"]}
        self.assertEqual(list(cases), [("infer", 1), ("infer", 32), ("train", 1), ("train", 32)])
        self.assertGreater(cases["train", 32]["flops"], 2 * cases["infer", 32]["flops"])
        self.assertGreater(cases["train", 32]["latency_seconds"]["min"], cases["infer", 32]["latency_seconds"]["min"])

    def test_table(self):
        result = self.bench(CNN, "--batch", "4", "--mode", "train").succeeds()
        result.prints(r"^Mode +Batch +min +p50 +p90 +p99 +max +Samples/s +FLOP/s +Runs$").prints(r"^train +4 ")
        result.prints(r"^Layer +Operator +Kernel +Time +Share +FLOP +Bytes +GFLOP/s +GB/s$").prints(r"^dltool \d+\.\d+\.\d+ \(")

    def test_cases(self):
        value = self.bench(CNN, "--batch", "2", "--batch", "8", "--batch", "2", "--mode", "infer", "--json").succeeds().json()
        self.assertEqual([(c["mode"], c["batch"]) for c in value["cases"]], [("infer", 2), ("infer", 8)])

    def test_override(self):
        value = self.bench(trained.digits() / "run.yaml", "training.batch_size=7", "--mode", "infer", "--json").succeeds().json()
        self.assertEqual([c["batch"] for c in value["cases"]], [1, 7])
        self.bench(CNN, "training.batch_size=7").fails(2, "is a model file; key=value overrides need a run file")

    def test_embedding_gets_valid_indices(self):
        spec = "inputs: {words: {shape: [12], dtype: int32}}\nlayers: [{Embedding: {input_dim: 9, output_dim: 4}}, {LSTM: {units: 3}}, {Dense: {units: 1}}]"
        self.write("words.yaml", spec)
        self.bench("words.yaml", "--mode", "train", "--batch", "3").succeeds()

    def test_checkpoint_is_not_changed(self):
        path = trained.newest_checkpoint(trained.digits())
        before = path.read_bytes()
        self.bench(path, "--mode", "train", "--batch", "5").succeeds()
        self.assertEqual(path.read_bytes(), before)

    def test_errors(self):
        self.bench("nowhere.yaml").fails(2, r"nowhere\.yaml: does not exist")
        self.run_dltool("bench", CNN, "--seconds", "0").fails(2, "seconds")
        self.shell(f"$DLTOOL bench -q {CNN} --seconds 0.01 --batch 1 > /dev/full").fails(4, "stdout: No space left")


if __name__ == "__main__":
    main()
