"""dltool predict: columns, units, formats, pipes, raw arrays, errors."""

import csv
import gzip
import io
import json
import math
import os
import random
import struct

import npy
import trained
from cli import ROOT, CliTest, main

DIGIT_FILE = ROOT / "configs/data/digits.csv.gz"


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


class Classes(CliTest):
    def test_csv(self):
        self.run_dltool("predict", trained.digits() / "run", DIGIT_FILE, "-o", "out.csv").succeeds()
        rows = rows_of((self.folder / "out.csv").read_text())
        self.assertEqual(len(rows), 1797)
        self.assertEqual(list(rows[0]), ["class", "probability"] + [f"probability_{d}" for d in range(10)])
        for row in rows:
            p = [float(row[f"probability_{d}"]) for d in range(10)]
            self.assertAlmostEqual(sum(p), 1, places=5)
            self.assertEqual(row["class"], str(p.index(max(p))))
            self.assertEqual(float(row["probability"]), max(p))
        with gzip.open(DIGIT_FILE, "rt") as file:
            labels = [r["label"] for r in csv.DictReader(file)]
        right = sum(r["class"] == label for r, label in zip(rows, labels))
        self.assertGreater(right / 1797, 0.9)

    def test_formats_agree(self):
        model = trained.digits() / "run"
        for name in ["out.csv", "out.jsonl", "out.npy", "out.npz"]:
            self.run_dltool("predict", model, DIGIT_FILE, "-o", name).succeeds()
        table = rows_of((self.folder / "out.csv").read_text())
        lines = [json.loads(line) for line in (self.folder / "out.jsonl").read_text().splitlines()]
        dtype, shape, array = npy.load(self.folder / "out.npy")
        self.assertEqual((dtype, shape), ("<f4", (1797, 10)))
        self.assertEqual(npy.load_npz(self.folder / "out.npz"), {"digit": (dtype, shape, array)})
        for c in range(10):
            column = [npy.float32(float(row[f"probability_{c}"])) for row in table]
            self.assertEqual(column, array[c::10], "shortest text reads back to the same float32")
            self.assertEqual([row[f"probability_{c}"] for row in lines[:50]], [float(row[f"probability_{c}"]) for row in table[:50]])
        self.assertEqual([row["class"] for row in lines], [row["class"] for row in table])

    def test_input_formats_agree(self):
        """The same pixels as CSV without the label, NPY, NPZ and IDX."""
        with gzip.open(DIGIT_FILE, "rt") as file:
            pixels = [[int(v) for v in row[:64]] for row in list(csv.reader(file))[1:101]]
        flat = [v for row in pixels for v in row]
        header = ",".join(f"p{i}" for i in range(64))
        self.write("in.csv", header + "\n" + "".join(",".join(map(str, row)) + "\n" for row in pixels))
        self.write("in.npy", npy.dumps("|u1", (100, 64), flat))
        self.write("in.npz", npy.dumps_npz(x=("|u1", (100, 64), flat)))
        self.write("in.idx", struct.pack(">HBBII", 0, 8, 2, 100, 64) + bytes(flat))
        results = []
        for name in ["in.csv", "in.npy", "in.npz", "in.idx"]:
            results.append(self.run_dltool("predict", trained.digits() / "run", name).succeeds().stdout)
        self.assertEqual(len(rows_of(results[0])), 100)
        for other in results[1:]:
            self.assertEqual(other, results[0])

    def test_binary(self):
        self.write("in.csv", "x\n-4\n4\n")
        first, second = rows_of(self.run_dltool("predict", trained.sides() / "run", "in.csv").succeeds().stdout)
        self.assertEqual(list(first), ["class", "probability", "probability_left", "probability_right"])
        self.assertEqual((first["class"], second["class"]), ("left", "right"))
        for row in (first, second):
            self.assertGreater(float(row["probability"]), 0.8)
            self.assertEqual(row["probability"], row["probability_" + row["class"]])
            self.assertAlmostEqual(float(row["probability_left"]) + float(row["probability_right"]), 1, places=6)


    def test_images_and_logits(self):
        """A folder without classes; an output without softmax has scores."""
        for name, low in {"dark": 0, "light": 150}.items():
            for i in range(20):
                self.write(f"train/{name}/{i}.png", trained.png(low + 5 * i))
        self.write("new/a.png", trained.png(10))
        self.write("new/b.png", trained.png(240))
        spec = """
model: {inputs: {image: {shape: [8, 8, 1]}}, layers: [Flatten, {Dense: {units: 2}}]}
data:
  train: {format: images, path: train, color: gray, size: [8, 8], rescale: 1/255}
training: {loss: {SparseCategoricalCrossentropy: {from_logits: true}}, optimizer: {Adam: {learning_rate: 0.05}}, epochs: 100, batch_size: 10}
"""
        self.write("run.yaml", spec)
        self.run_dltool("train", "run.yaml", "-q", "-o", "run").succeeds()
        rows = rows_of(self.run_dltool("predict", "run", "new").succeeds().stdout)
        self.assertEqual(list(rows[0]), ["class", "score", "score_dark", "score_light"])
        self.assertEqual([row["class"] for row in rows], ["dark", "light"])

    def test_several_outputs(self):
        spec = """
model:
  inputs: {x: {shape: [2]}}
  layers:
    - Dense: {units: 8, activation: relu, name: shared}
    - Dense: {units: 3, activation: softmax, name: kind, inputs: shared}
    - Dense: {units: 2, name: place, inputs: shared}
  outputs: [kind, place]
data:
  train: {path: t.csv, columns: {x: [a, b], y: {place: [u, v], kind: k}}}
training: {loss: {kind: sparse_categorical_crossentropy, place: mse}, epochs: 2}
"""
        self.write("run.yaml", spec)
        self.write("t.csv", "a,b,k,u,v\n" + "".join(f"{i},{-i},{'red green blue'.split()[i % 3]},{i},1\n" for i in range(12)))
        self.run_dltool("train", "run.yaml", "-q", "-o", "run").succeeds()
        row = rows_of(self.run_dltool("predict", "run", "t.csv").succeeds().stdout)[0]
        want = ["kind_class", "kind_probability", "kind_probability_blue", "kind_probability_green", "kind_probability_red", "place_0", "place_1"]
        self.assertEqual(list(row), want)
        self.run_dltool("predict", "run", "t.csv", "-o", "out.npy").fails(2, "an .npy file holds one output, here are 2")


class Values(CliTest):
    def test_units_of_the_data(self):
        self.write("in.csv", "b,a\n0,0\n1,1\n-1,2\n")
        rows = rows_of(self.run_dltool("predict", trained.line() / "run", "in.csv").succeeds().stdout)
        self.assertEqual(list(rows[0]), ["price"])
        for row, want in zip(rows, [1000, 1020, 1130]):
            self.assertAlmostEqual(float(row["price"]), want, delta=0.05)

    def test_npy_is_in_the_same_units(self):
        self.write("in.csv", "a,b\n1,1\n")
        self.run_dltool("predict", trained.line() / "run", "in.csv", "-o", "out.npy").succeeds()
        self.assertAlmostEqual(npy.load(self.folder / "out.npy")[2][0], 1020, delta=0.05)

    def test_jsonl_number(self):
        self.write("in.csv", "a,b\n1,1\n")
        row = json.loads(self.run_dltool("predict", trained.line() / "run", "in.csv", "--format", "jsonl").succeeds().stdout)
        self.assertAlmostEqual(row["price"], 1020, delta=0.05)

    def test_german_locale(self):
        self.write("in.csv", "a,b\n1.5,1\n")
        plain = self.run_dltool("predict", trained.line() / "run", "in.csv").succeeds().stdout
        german = self.run_dltool("predict", trained.line() / "run", "in.csv", env={"LC_ALL": "de_DE.UTF-8", "LC_NUMERIC": "de_DE.UTF-8"})
        self.assertEqual(german.succeeds().stdout, plain)

    def test_a_series_is_forecast_past_its_end(self):
        spec = """
model: {inputs: {past: {shape: [4, 1]}}, layers: [Flatten, {Dense: {units: 1}}]}
data:
  train: {path: series.csv, window: {length: 4}}
training: {loss: mse, optimizer: {Adam: {learning_rate: 0.05}}, epochs: 200, batch_size: 16}
"""
        self.write("run.yaml", spec)
        self.write("series.csv", "v\n" + "".join(f"{math.sin(i / 3)!r}\n" for i in range(100)))
        self.run_dltool("train", "run.yaml", "-q", "-o", "run").succeeds()
        rows = rows_of(self.run_dltool("predict", "run", "series.csv").succeeds().stdout)
        self.assertEqual(len(rows), 97)  # windows that end at rows 4 to 100
        self.assertAlmostEqual(float(rows[-1]["y"]), math.sin(100 / 3), delta=0.1)


class Pipes(CliTest):
    def test_stdin_to_stdout(self):
        model = trained.line() / "run"
        text = "a,b\n1,1\n2,0\n"
        self.write("in.csv", text)
        want = self.run_dltool("predict", model, "in.csv").succeeds().stdout
        self.assertEqual(self.run_dltool("predict", model, "-", stdin=text).succeeds().stdout, want)
        piped = self.shell(f"gzip -c in.csv | $DLTOOL predict {model} - -o - | tail -n +2 | wc -l").succeeds()
        self.assertEqual(piped.stdout.strip(), "2")

    def test_full_stdout(self):
        self.write("in.csv", "a,b\n1,1\n")
        self.shell(f"$DLTOOL predict {trained.line()}/run in.csv > /dev/full").fails(4, "No space left on device")

    def test_full_disk_leaves_nothing(self):
        self.write("in.csv", "a,b\n" + "1,1\n" * 50_000)
        result = self.shell(f"ulimit -f 1; trap '' XFSZ; $DLTOOL predict {trained.line()}/run in.csv -o out.csv")
        result.fails(4, r"out\.csv: ")
        self.assertEqual(sorted(os.listdir(self.folder)), ["in.csv"])


class RawArrays(CliTest):
    def test_by_name(self):
        """The network's own numbers: no scaling of inputs or outputs."""
        self.write("in.npz", npy.dumps_npz(point=("<f8", (2, 2), [0, 0, 1, 0])))
        self.run_dltool("predict", trained.line() / "run", "--inputs", "in.npz", "--outputs", "out.npz").succeeds()
        out = npy.load_npz(self.folder / "out.npz")
        self.assertEqual(list(out), ["dense"])
        dtype, shape, (at_mean, above) = out["dense"]
        self.assertEqual((dtype, shape), ("<f4", (2, 1)))
        self.assertAlmostEqual(at_mean, 0, places=4)  # standardized: the mean gives the mean
        self.assertGreater(above, 0.5)

    def test_batches_and_untrained_models(self):
        numbers = random.Random(0)
        self.write("in.npz", npy.dumps_npz(image=("<f4", (70, 8, 8, 1), [numbers.random() for _ in range(70 * 64)])))
        for batch in [1, 32, 100]:
            self.run_dltool("predict", ROOT / "models/digits-cnn.yaml", "--inputs", "in.npz", "--outputs", f"{batch}.npz", "--batch", batch).succeeds()
        outputs = [npy.load_npz(self.folder / f"{batch}.npz")["dense_1"] for batch in [1, 32, 100]]
        self.assertEqual(outputs[0][1], (70, 10))
        for other in outputs[1:]:
            for a, b in zip(outputs[0][2], other[2], strict=True):
                self.assertTrue(math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-7), (a, b))

    def test_wrong_arrays(self):
        model = trained.line() / "run"
        cases = {
            r"the model has no input 'more'; it holds point, more, the model's inputs are point": {
                "point": ("<f4", (1, 2), [0] * 2), "more": ("<f4", (1, 2), [0] * 2)},
            r"input 'point' has shape \[1, 3\], the model takes \[batch, 2\]": {"point": ("<f4", (1, 3), [0] * 3)},
            r"input 'point' holds no samples": {"point": ("<f4", (0, 2), [])},
        }
        for message, arrays in cases.items():
            self.write("in.npz", npy.dumps_npz(**arrays))
            self.run_dltool("predict", model, "--inputs", "in.npz", "--outputs", "out.npz").fails(2, message)
        self.write("in.npz", b"PK\x05\x06" + bytes(18))
        self.run_dltool("predict", model, "--inputs", "in.npz", "--outputs", "out.npz").fails(2, "input 'point' is missing; it holds nothing")
        self.assertFalse((self.folder / "out.npz").exists())


class Errors(CliTest):
    def test_untrained(self):
        self.write("in.csv", "a,b\n1,1\n")
        self.run_dltool("predict", trained.line() / "run.yaml", "in.csv").fails(2, "a run file is not trained; predict needs a checkpoint")

    def test_missing_input(self):
        self.run_dltool("predict", trained.line() / "run", "nowhere.csv").fails(4, r"nowhere\.csv: cannot open")

    def test_missing_column(self):
        self.write("in.csv", "a,c\n1,1\n")
        self.run_dltool("predict", trained.line() / "run", "in.csv", "-o", "out.csv").fails(3, r"in\.csv: no column 'b'")
        self.assertFalse((self.folder / "out.csv").exists())

    def test_bad_cell_keeps_the_old_file(self):
        self.write("in.csv", "a,b\n1,1\n1,x\n")
        self.write("out.csv", "old")
        self.run_dltool("predict", trained.line() / "run", "in.csv", "-o", "out.csv").fails(3, r"in\.csv:3:2: 'x' is not a number")
        self.assertEqual((self.folder / "out.csv").read_text(), "old")

    def test_wrong_size(self):
        self.write("in.npy", npy.dumps("<f8", (3, 5), [0] * 15))
        self.run_dltool("predict", trained.line() / "run", "in.npy").fails(2, r"field 'x' is float32 \[5\] here, but float32 \[2\] in training")

    def test_unknown_suffix(self):
        self.write("in.csv", "a,b\n1,1\n")
        self.run_dltool("predict", trained.line() / "run", "in.csv", "-o", "out.xls").fails(2, r"out\.xls: the suffix does not tell")

    def test_folder_does_not_exist(self):
        self.write("in.csv", "a,b\n1,1\n")
        self.run_dltool("predict", trained.line() / "run", "in.csv", "-o", "no/out.csv").fails(4, r"no/out\.csv: ")


if __name__ == "__main__":
    main()
