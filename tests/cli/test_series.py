"""Series and numbers: metrics in the units of the data, the forecast "as the last value", anomalies, pictures of autoencoders."""

import csv
import io
import json
import math
import random
import re
import struct

from cli import CliTest, main


class Units(CliTest):
    def setUp(self):
        super().setUp()
        random.seed(3)
        self.rows = [(1000 + 5 * i + random.gauss(0, 20), 50 - random.random()) for i in range(120)]
        self.write("s.csv", "a,b\n" + "".join(f"{a},{b}\n" for a, b in self.rows))
        self.write("run.yaml", """
model: {inputs: {x: {shape: [3, 2]}}, layers: [Flatten, {Dense: {units: 4}}]}
data:
  train: {path: s.csv, columns: {x: [a, b], y: [b, a]}, window: {length: 3, horizon: 2, gap: 1}}
  test: {split: 0.25}
  standardize: [x, y]
training:
  loss: mse
  optimizer: {Adam: {learning_rate: 0.01}}
  metrics: [mae, RootMeanSquaredError, {expression: "abs(y_true - y_pred)", name: error}, cosine_similarity, binary_accuracy]
  epochs: 3
""")

    def test_metrics_are_those_of_what_predict_writes(self):
        trained = self.run_dltool("train", "run.yaml", "-q", "-o", "run", "--json").succeeds().json()
        result = self.run_dltool("eval", "run", "--json").succeeds().json()
        rows, first = self.rows, 90
        windows = range(first, 120 - 5)
        self.assertEqual(result["samples"], len(windows))
        truth = [[rows[w + 4 + r][c] for r in (0, 1) for c in (1, 0)] for w in windows]
        last = [[rows[w + 2][c] for _ in (0, 1) for c in (1, 0)] for w in windows]
        self.write("test.csv", "a,b\n" + "".join(f"{a},{b}\n" for a, b in rows[first:]))
        output = list(csv.reader(io.StringIO(self.run_dltool("predict", "run", "test.csv").succeeds().stdout)))[1:]
        predicted = [[float(v) for v in row] for row in output][: len(windows)]

        def errors(forecast):
            return [f - t for fs, ts in zip(forecast, truth) for f, t in zip(fs, ts)]

        for forecast, measured in ((predicted, result["metrics"]), (last, result["last_value"])):
            e = errors(forecast)
            self.assertAlmostEqual(measured["mae"], sum(map(abs, e)) / len(e), delta=1e-3)
            self.assertAlmostEqual(measured["error"], sum(map(abs, e)) / len(e), delta=1e-3)
            self.assertAlmostEqual(measured["RootMeanSquaredError"], math.sqrt(sum(d * d for d in e) / len(e)), delta=1e-3)
        self.assertEqual(set(result["last_value"]), {"mae", "RootMeanSquaredError", "error", "cosine_similarity"})
        self.assertEqual(trained["metrics"]["test_mae"], result["metrics"]["mae"])
        self.assertEqual(trained["metrics"]["test_last_value_mae"], result["last_value"]["mae"])
        self.assertIn("Test, as the last value", (self.folder / "run/report.html").read_text())
        self.run_dltool("eval", "run").succeeds().prints(r"^last_value_mae +\d")

    def test_training_validation_and_resume_count_alike(self):
        self.run_dltool("train", "run.yaml", "-q", "-o", "run", "data.validation={split: 0.25}").succeeds()
        for line in (self.folder / "run/metrics.jsonl").read_text().splitlines():
            epoch = json.loads(line)
            self.assertGreater(epoch["mae"], 5)  # standardized they would be about 1
            self.assertGreater(epoch["val_mae"], 5)
            self.assertLess(epoch["loss"], 30)

    def test_a_table_has_no_last_value(self):
        self.run_dltool("train", "run.yaml", "-q", "-o", "run", "data.train={path: s.csv, columns: {x: [a, b], y: [b, a]}}",
                        "model={inputs: {x: {shape: [2]}}, layers: [{Dense: {units: 2}}]}").succeeds()
        result = self.run_dltool("eval", "run", "--json").succeeds().json()
        self.assertNotIn("last_value", result)
        self.assertNotIn("as the last value", (self.folder / "run/report.html").read_text())


class Anomalies(CliTest):
    SPEC = """
model: {inputs: {x: {shape: [8, 1]}}, layers: [Flatten, {Dense: {units: 2}}, {Dense: {units: 8}}, {Reshape: {target_shape: [8, 1]}}]}
data:
  train: &source
    {path: s.csv, columns: {x: v}, time: t, window: {length: 8, horizon: 0, stride: 2}, anomalies: [["2020-01-09 00:00", "2020-01-09 08:00"]]}
  test: *source
  standardize: [x]
  reconstruct: true
anomalies: {error: mae, quantile: 1, factor: 1.2}
training: {loss: mse, optimizer: {Adam: {learning_rate: 0.05}}, epochs: 40, batch_size: 16}
"""

    def series(self, name, broken):
        """A sine by the hour; hours in `broken` are turned round."""
        lines = ["t,v"]
        for hour in range(24 * 14):
            value = 20 + 5 * math.sin(hour / 3) * (-1 if hour in broken and hour % 2 else 1)
            lines.append(f"2020-01-{1 + hour // 24:02} {hour % 24:02}:00:00,{value}")
        self.write(name, "\n".join(lines) + "\n")

    def test_known_anomalies_are_found_and_false_alarms_counted(self):
        self.series("s.csv", set(range(192, 200)))
        self.write("run.yaml", self.SPEC)
        trained = self.run_dltool("train", "run.yaml", "-q", "-o", "run", "--json").succeeds().json()["metrics"]
        self.assertEqual([trained[f"test_{k}"] for k in ("anomalies_known", "anomalies_found", "false_alarms")], [1, 1, 0])
        result = self.run_dltool("eval", "run", "--json", "--min", "anomalies_found=1").succeeds().json()
        self.assertEqual(result["metrics"]["threshold"], trained["test_threshold"])
        self.assertEqual(result["metrics"]["false_alarms_per_month"], 0)
        found = result["anomalies"]
        self.assertEqual(found["known"][0]["from"], "2020-01-09 00:00:00")
        self.assertTrue(found["known"][0]["found"])
        self.assertTrue(found["alarms"][0]["known"])
        self.assertAlmostEqual(found["normal_days"], (13 * 24 + 23 - 8) / 24, places=6)
        self.run_dltool("eval", "run", "-v").succeeds().prints(r"Alarm, from").prints(r"2020-01-0[89] .* known")
        page = (self.folder / "run/report.html").read_text()
        self.assertIn("1 of 1 known anomalies are found", page)
        self.assertIn('class="known"', page)

        self.series("new.csv", set(range(100, 108)))
        rows = list(csv.DictReader(io.StringIO(self.run_dltool("predict", "run", "new.csv", "--anomalies").succeeds().stdout)))
        self.assertEqual(len(rows), (24 * 14 - 8) // 2 + 1)
        self.assertEqual((rows[1]["from"], rows[1]["to"]), ("2020-01-01 02:00:00", "2020-01-01 09:00:00"))
        flagged = [i for i, row in enumerate(rows) if row["anomaly"] == "1"]
        self.assertTrue(flagged)
        for i in flagged:
            self.assertGreater(float(rows[i]["error"]), result["metrics"]["threshold"])
            self.assertTrue(2 * i + 8 > 100 and 2 * i < 108, i)  # the window sees the broken hours
        measured = self.run_dltool("eval", "run", "--data", "new.csv", "--json").succeeds().json()
        self.assertEqual(measured["metrics"]["flagged"], len(flagged))
        self.assertEqual(measured["metrics"]["anomalies_found"], 0)  # the time of the known one is quiet here
        self.assertEqual(measured["metrics"]["false_alarms"], len(measured["anomalies"]["alarms"]))

    def test_two_ranks_and_resume_give_the_same_threshold(self):
        self.series("s.csv", set(range(192, 200)))
        self.write("run.yaml", self.SPEC)
        outcomes = []
        for more in ([], ["--ranks", "2"]):
            self.run_dltool("train", "run.yaml", "-q", "-o", "run", "training.epochs=1", "training.microbatches=2", *more).succeeds()
            self.run_dltool("train", "run.yaml", "-q", "-o", "run", "training.epochs=2", "training.microbatches=2", "--resume", "auto", *more).succeeds()
            outcomes.append(self.run_dltool("eval", "run", "--json").succeeds().json()["metrics"])
        self.assertEqual(outcomes[0], outcomes[1])

    def test_what_does_not_fit_is_said(self):
        self.series("s.csv", set())
        self.write("run.yaml", self.SPEC.replace("error: mae, quantile: 1", "error: rms, quantile: 2"))
        self.run_dltool("train", "run.yaml").fails(2, r"anomalies\.error: .*mse, mae", lines=2).complains(r"anomalies\.quantile")
        self.write("run.yaml", self.SPEC.replace("time: t, ", ""))
        self.run_dltool("train", "run.yaml").fails(2, r"anomalies: needs time:", lines=2)
        self.write("run.yaml", "\n".join(line for line in self.SPEC.splitlines() if not line.startswith("anomalies")))
        self.run_dltool("train", "run.yaml", "-q", "-o", "run", "training.epochs=1").succeeds()
        self.run_dltool("predict", "run", "s.csv", "--anomalies").fails(2, r"--anomalies needs a run with the key anomalies")
        self.write("c.csv", "a,b,kind\n" + "1,2,u\n3,4,v\n" * 8)
        self.write("class.yaml", """
model: {inputs: {x: {shape: [2]}}, layers: [{Dense: {units: 2, activation: softmax}}]}
data: {train: {path: c.csv, columns: {y: kind}}}
training: {loss: sparse_categorical_crossentropy}
anomalies: {}
""")
        self.run_dltool("train", "class.yaml", "-q").fails(2, r"anomalies: needs a model of one output that predicts the numbers")


class Pictures(CliTest):
    def test_the_report_shows_images_and_their_reconstructions(self):
        random.seed(5)
        pixels = bytes(random.randrange(256) for _ in range(30 * 6 * 5))
        (self.folder / "images").write_bytes(struct.pack(">IIII", 2051, 30, 6, 5) + pixels)
        self.write("run.yaml", """
model: {inputs: {x: {shape: [6, 5]}}, layers: [Flatten, {Dense: {units: 30, activation: sigmoid}}, {Reshape: {target_shape: [6, 5]}}]}
data:
  train: {format: idx, images: images, rescale: 1/255}
  test: {split: 0.5}
  reconstruct: true
training: {loss: mse, metrics: [mae]}
""")
        self.run_dltool("train", "run.yaml", "-q", "-o", "run").succeeds()
        page = (self.folder / "run/report.html").read_text()
        self.assertIn("Reconstructions", page)
        self.assertIn("The first 15 samples of <b>test</b>", page)
        image = re.search(r'<img [^>]*width="(\d+)" height="(\d+)"[^>]*src="data:image/png;base64,', page)
        self.assertEqual(image.groups(), (str(15 * 7 - 2), "14"))
        self.assertNotIn("<script", page)


if __name__ == "__main__":
    main()
