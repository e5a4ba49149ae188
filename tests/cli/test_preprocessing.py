"""What is learned from the training data: texts of the data section, bins and vocabularies of layers; kept with the model."""

import csv
import io
import json
import random

from cli import CliTest, main

GOOD, BAD = ["good", "fine", "great", "lovely"], ["bad", "awful", "dull", "poor"]

REVIEWS = """model:
  inputs:
    review: {shape: [6], dtype: int32}
    town: {shape: [4]}
  layers:
    - Embedding: {input_dim: 40, output_dim: 8, inputs: review}
    - GlobalAveragePooling1D: {name: mean}
    - Concatenate: {inputs: [mean, town]}
    - Dense: {units: 2, activation: softmax}
data:
  train: {path: reviews.csv, columns: {x: {review: text, town: town}, y: label}}
  validation: {split: 0.25}
  workers: 2
  preprocess:
    review: [{TextVectorization: {output_sequence_length: 6}}]
    town: [{StringLookup: {output_mode: one_hot}}]
training:
  loss: sparse_categorical_crossentropy
  optimizer: {Adam: {learning_rate: 0.05}}
  metrics: [accuracy]
  batch_size: 16
  epochs: 8
output: run
"""

BINS = """model:
  inputs:
    a: {shape: [2]}
    k: {shape: [1], dtype: int64}
  layers:
    - Discretization: {num_bins: 4, output_mode: multi_hot, inputs: a, name: bins}
    - IntegerLookup: {output_mode: one_hot, max_tokens: 4, inputs: k, name: keys}
    - Concatenate: {inputs: [bins, keys]}
    - Dense: {units: 1}
data:
  train: {path: numbers.csv, columns: {x: {a: [p, q], k: k}, y: y}}
training:
  loss: mse
  optimizer: {SGD: {learning_rate: 0.1}}
  batch_size: 10
  epochs: 3
output: run
"""


class Learned(CliTest):
    def write(self, name, text):
        (self.folder / name).write_text(text)

    def write_reviews(self):
        rng = random.Random(1)
        out = io.StringIO()
        table = csv.writer(out)
        table.writerow(["text", "town", "label"])
        for i in range(160):
            words = GOOD if i % 2 else BAD
            text = ", ".join(rng.choice(words) for _ in range(rng.randint(1, 7))).capitalize() + "!"
            table.writerow([text, rng.choice(["Rome", "Oslo", "Lima"]), "pos" if i % 2 else "neg"])
        self.write("reviews.csv", out.getvalue())

    def write_numbers(self):
        rng = random.Random(2)
        rows = [[rng.gauss(0, 1), rng.random(), rng.choice([5, 5, 7, 7, 7, -2, 100 + i])] for i in range(90)]
        self.write("numbers.csv", "p,q,k,y\n" + "".join(f"{p},{q},{k},{p * q + (k == 7)}\n" for p, q, k in rows))

    def test_texts(self):
        self.write_reviews()
        self.write("run.yaml", REVIEWS)
        metrics = self.run_dltool("train", "run.yaml", "--json").succeeds().json()["metrics"]
        self.assertGreater(metrics["val_accuracy"], 0.95)
        self.write("new.csv", "text,town\nA GREAT film,Paris\n\"dull, poor, bad\",Rome\nlovely and fine,Lima\n")
        self.run_dltool("predict", "run", "new.csv", "-o", "out.csv").succeeds()
        rows = list(csv.DictReader(io.StringIO((self.folder / "out.csv").read_text())))
        self.assertEqual([row["class"] for row in rows], ["pos", "neg", "pos"])
        again = self.run_dltool("eval", "run", "--data", "reviews.csv", "--json").succeeds().json()
        self.assertGreater(again["metrics"]["accuracy"], 0.95)
        # The same for any number of threads, workers and ranks.
        for more in (["data.workers=0"], ["--ranks", "2", "training.epochs=1"]):
            self.run_dltool("train", "run.yaml", "-o", "other", *more).succeeds()
            self.run_dltool("predict", "other", "new.csv", "-o", "other.csv").succeeds()
            if len(more) == 1:
                self.assertEqual((self.folder / "other.csv").read_text(), (self.folder / "out.csv").read_text())
        self.run_dltool("train", "run.yaml", "--resume", "auto", "training.epochs=9", "--json").succeeds()

    def test_vocabulary_files(self):
        """A file of tokens is the list of its lines, and the run does not need it any more."""
        self.write_reviews()
        words = GOOD + BAD
        listed = REVIEWS.replace("output_sequence_length: 6}", "output_sequence_length: 6, vocabulary: [" + ", ".join(words) + "]}")
        listed = listed.replace("output_mode: one_hot", "output_mode: one_hot, vocabulary: [Oslo, Rome, Lima]")
        self.write("listed.yaml", listed.replace("output: run", "output: listed"))
        (self.folder / "lists").mkdir()
        self.write("lists/words.txt", "\r\n".join(words) + "\r\n")
        self.write("lists/towns.txt", "Oslo\nRome\nLima")
        self.write("named.yaml", REVIEWS.replace("output_sequence_length: 6}", "output_sequence_length: 6, vocabulary: lists/words.txt}")
                   .replace("output_mode: one_hot", "output_mode: one_hot, vocabulary: lists/towns.txt"))
        for run in ("listed.yaml", "named.yaml"):
            self.run_dltool("train", run, "training.epochs=2").succeeds()
        losses = [[json.loads(line)["loss"] for line in (self.folder / run / "metrics.jsonl").read_text().splitlines()] for run in ("listed", "run")]
        self.assertEqual(*losses)
        (self.folder / "lists/words.txt").unlink()
        self.write("new.csv", "text,town\nA GREAT film,Paris\nlovely and fine,Lima\n")
        self.run_dltool("predict", "run", "new.csv").succeeds()
        self.run_dltool("train", "named.yaml").fails(4, "named.yaml:15:[0-9]+: vocabulary: .*lists/words.txt: cannot open: No such file")
        self.write("lists/words.txt", "")
        self.run_dltool("train", "named.yaml").fails(3, "words.txt: is empty; expected a vocabulary, one token a line")

    def test_layers(self):
        self.write_numbers()
        self.write("run.yaml", BINS)
        self.run_dltool("train", "run.yaml", "--json", "--threads", "1", "training.epochs=2").succeeds()
        self.run_dltool("train", "run.yaml", "--json", "--threads", "1", "--resume", "auto").succeeds().complains("resuming from")
        self.run_dltool("train", "run.yaml", "--json", "--threads", "1", "-o", "whole", "data.workers=0").succeeds()
        self.run_dltool("predict", "run", "numbers.csv", "-o", "a.csv").succeeds()
        self.run_dltool("predict", "whole", "numbers.csv", "-o", "b.csv").succeeds()
        self.assertEqual((self.folder / "a.csv").read_text(), (self.folder / "b.csv").read_text())
        self.run_dltool("eval", "run", "--data", "numbers.csv", "--json").succeeds()
        self.run_dltool("convert", "run", "model.keras").succeeds()
        self.run_dltool("convert", "model.keras", "back.ckpt.h5").succeeds()
        self.run_dltool("inspect", "model.keras").succeeds().prints(r"\bbins\b.*Discretization|Discretization.*\bbins\b")
        self.run_dltool("train", "run.yaml", "--ranks", "3", "-o", "three", "training.batch_size=9").succeeds()

    def test_what_cannot_be_learned(self):
        self.write_numbers()
        self.write("run.yaml", BINS)
        self.run_dltool("inspect", "run.yaml").fails(2, "has no bins yet: training computes them")
        self.write("run.yaml", BINS.replace("{num_bins: 4, output_mode: multi_hot, inputs: a, name: bins}", "{num_bins: 4, name: bins, inputs: first}")
                   .replace("  layers:\n", "  layers:\n    - Dense: {units: 2, name: first, inputs: a}\n"))
        self.run_dltool("train", "run.yaml").fails(2, "layer 'bins' learns from the training data but stands behind layers with weights; give it bin_boundaries")
        self.write_reviews()
        self.write("run.yaml", REVIEWS.replace("    town: [{StringLookup: {output_mode: one_hot}}]\n", ""))
        self.run_dltool("train", "run.yaml").fails(3, "reviews.csv:2:2: '(Rome|Oslo|Lima)' is not a number; for text use a step of data.preprocess")


    def test_a_keras_model_of_texts(self):
        layer = lambda kind, **config: {"module": "keras.layers", "class_name": kind, "config": config, "registered_name": None}  # noqa: E731
        layers = [layer("InputLayer", batch_shape=[None, 1], dtype="string", name="review"),
                  layer("TextVectorization", name="words", max_tokens=9, output_sequence_length=4),
                  layer("Dense", name="dense", units=2)]
        self.write("texts.json", json.dumps({"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": layers},
                                             "registered_name": None, "keras_version": "3.15.0"}))
        self.run_dltool("inspect", "texts.json").fails(
            3, r"layer 'review' \(InputLayer\): holds texts, .* data section, with their vocabulary \(preprocess: \{review: \[TextVectorization")


if __name__ == "__main__":
    main()
