"""Sources of data through the whole command line: tar shards with random steps, JSON lines, series, reconstruction."""

import csv
import io
import json
import math
import random
import tarfile

from cli import ROOT, CliTest, main

IMAGE = ROOT / "tests/unit/data/files/rgb.png"
GRAY = ROOT / "tests/unit/data/files/gray.png"


class Shards(CliTest):
    def tar(self, name, members):
        with tarfile.open(self.folder / name, "w:gz" if name.endswith("gz") else "w") as archive:
            for member, data in members:
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))

    def spec(self, more=""):
        return f"""
model: {{inputs: {{image: {{shape: [8, 8, 3]}}}}, layers: [Flatten, {{Dense: {{units: 2, activation: softmax}}}}]}}
data:
  train: {{format: webdataset, path: "s-*.tar*", size: [8, 8], rescale: 1/255}}
  preprocess: [{{ZeroPadding2D: {{padding: 2}}}}, {{RandomCrop: {{height: 8, width: 8}}}}, {{RandomFlip: {{mode: horizontal}}}}]
training: {{loss: sparse_categorical_crossentropy, metrics: [accuracy], epochs: 3, batch_size: 4}}
{more}
"""

    def test_shards_train_the_same_packed_or_not_and_with_any_workers(self):
        color, gray = IMAGE.read_bytes(), GRAY.read_bytes()
        members = [(f"{i:03}.{suffix}", data) for i in range(12) for suffix, data in (("png", gray if i % 3 else color), ("cls", b"%d" % (i % 3 == 0)))]
        losses = []
        for names, workers in ((["s-0.tar", "s-1.tar"], 0), (["s-0.tar.gz", "s-1.tar.gz"], 3)):
            for old in self.folder.glob("s-*"):
                old.unlink()
            self.tar(names[0], members[:10])
            self.tar(names[1], members[10:])
            self.write("run.yaml", self.spec())
            self.run_dltool("train", "run.yaml", "-q", "-o", f"run{workers}", f"data.workers={workers}").succeeds()
            losses.append([json.loads(line).get("loss") for line in (self.folder / f"run{workers}/metrics.jsonl").read_text().splitlines()])
        self.assertEqual(losses[0], losses[1])
        self.assertGreaterEqual(len(losses[0]), 3)
        rows = list(csv.DictReader(io.StringIO(self.run_dltool("predict", "run0", "s-0.tar.gz").succeeds().stdout)))
        self.assertEqual(len(rows), 5)

    def test_errors_name_the_shard_and_the_sample(self):
        self.tar("s-0.tar", [("a.png", IMAGE.read_bytes()), ("a.cls", b"0"), ("b.png", IMAGE.read_bytes())])
        self.write("run.yaml", self.spec())
        self.run_dltool("train", "run.yaml", "-q").fails(3, r"s-0\.tar: sample 'b': has no member \.cls")
        (self.folder / "s-0.tar").write_bytes((self.folder / "s-0.tar").read_bytes()[:700])
        self.run_dltool("train", "run.yaml", "-q").fails(3, r"s-0\.tar: .*truncated")
        (self.folder / "s-0.tar").unlink()
        self.run_dltool("train", "run.yaml", "-q").fails(4, r"no file matches")


class Records(CliTest):
    def test_json_lines(self):
        random.seed(1)
        lines = []
        for _ in range(200):
            a, b = random.uniform(-1, 1), random.uniform(-1, 1)
            lines.append(json.dumps({"in": {"a": a, "b": b}, "kind": "up" if a > b else "down"}))
        self.write("d.jsonl", "\n".join(lines))
        self.write("run.yaml", """
model: {inputs: {x: {shape: [2]}}, layers: [{Dense: {units: 2, activation: softmax}}]}
data: {train: {path: d.jsonl, x: [in.a, in.b], y: kind}, test: {split: 0.2, by: class}}
training: {loss: sparse_categorical_crossentropy, optimizer: {Adam: {learning_rate: 0.1}}, metrics: [accuracy], epochs: 20, batch_size: 20}
""")
        self.run_dltool("train", "run.yaml", "-q", "-o", "run").succeeds()
        self.run_dltool("eval", "run", "--min", "accuracy=0.9").succeeds()
        self.write("new.jsonl", '{"in": {"a": 1, "b": -1}}\n{"in": {"b": 1, "a": -1}}\n')
        rows = list(csv.DictReader(io.StringIO(self.run_dltool("predict", "run", "new.jsonl").succeeds().stdout)))
        self.assertEqual([row["class"] for row in rows], ["up", "down"])
        self.write("d.jsonl", lines[0] + '\n{"in": {"a": 1, "b": "x"}, "kind": "up"}\n')
        self.run_dltool("train", "run.yaml", "-q", "-o", "bad").fails(3, r"d\.jsonl:2: key 'in\.b': 'x' is text")

    def test_an_autoencoder_of_a_series_gives_the_units_of_the_data(self):
        self.write("s.csv", "time,v\n" + "".join(f"2020-01-{1 + i // 24:02} {i % 24:02}:00:00,{100 + 10 * math.sin(i / 2)!r}\n" for i in range(600)))
        self.write("run.yaml", """
model: {inputs: {x: {shape: [6, 1]}}, layers: [Flatten, {Dense: {units: 3}}, {Dense: {units: 6}}, {Reshape: {target_shape: [6, 1]}}]}
data:
  train: {path: s.csv, columns: {x: v}, time: time, window: {length: 6, horizon: 0}, exclude: [["2020-01-03", "2020-01-04"]]}
  validation: {after: "2020-01-20"}
  reconstruct: true
  standardize: [x]
training: {loss: mse, optimizer: {Adam: {learning_rate: 0.02}}, epochs: 60, batch_size: 32}
""")
        self.run_dltool("train", "run.yaml", "-q", "-o", "run").succeeds()
        rows = list(csv.reader(io.StringIO(self.run_dltool("predict", "run", "s.csv").succeeds().stdout)))[1:]
        self.assertEqual(len(rows), 595)
        for i, row in enumerate(rows):
            for j, value in enumerate(row):
                self.assertAlmostEqual(float(value), 100 + 10 * math.sin((i + j) / 2), delta=1.5)


if __name__ == "__main__":
    main()
