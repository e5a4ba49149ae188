#!/usr/bin/env python3
"""Writes text_steps.yaml: what StringLookup, TextVectorization, Hashing and HashedCrossing of real Keras 3.15 make of the texts below,
learned (adapt) and given vocabularies, for text_steps_test.cpp.

Run by hand after adding a case, from the root: .venv-oracle/bin/python tests/unit/data/make_text_golden.py
"""
import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

SENTENCES = ["The quick brown fox jumps over the lazy dog.", "  The dog's bark -- was LOUD!  ", "", "fox fox fox", "[UNK] Ünïcödé ÄÖ naïve café",
             "a,b;c d\te\nf", "the end of the fox, the end of the dog (and of this text)", "0 1 1 2 3 5 8 13 21 34", "日本語 テキスト", "dog"]
TOWNS = [["Rome", "fast"], ["Oslo", "slow"], ["Rome", "slow"], ["", "fast"], ["Lima", ""], ["Rome", "[UNK]"], ["Bern", "fast"], ["12", "NaN"]]
WORDS = ["the", "fox", "dog", "end of", "of the"]

CASES = [  # texts, class, config
    (SENTENCES, "TextVectorization", {"output_sequence_length": 6}),
    (SENTENCES, "TextVectorization", {"output_sequence_length": 5, "max_tokens": 7}),
    (SENTENCES, "TextVectorization", {"output_sequence_length": 4, "standardize": "lower", "vocabulary": ["the", "fox", "dog."]}),
    (SENTENCES, "TextVectorization", {"output_sequence_length": 4, "standardize": "strip_punctuation", "vocabulary": ["", "[UNK]", "The", "fox"]}),
    (SENTENCES, "TextVectorization", {"output_sequence_length": 9, "standardize": None, "ngrams": 2}),
    (SENTENCES, "TextVectorization", {"output_sequence_length": 30, "split": "character"}),
    (SENTENCES, "TextVectorization", {"output_mode": "multi_hot"}),
    (SENTENCES, "TextVectorization", {"output_mode": "count", "ngrams": (2, 3), "max_tokens": 9}),
    (SENTENCES, "TextVectorization", {"output_mode": "count", "vocabulary": WORDS, "ngrams": 2}),
    (SENTENCES, "TextVectorization", {"output_mode": "tf_idf"}),
    (SENTENCES, "TextVectorization", {"output_mode": "tf_idf", "max_tokens": 12, "split": "character", "pad_to_max_tokens": True}),
    (SENTENCES, "TextVectorization", {"output_mode": "tf_idf", "vocabulary": WORDS, "idf_weights": [0.5, 1, 2, 0.25, 4], "max_tokens": 9, "pad_to_max_tokens": True}),
    (SENTENCES, "TextVectorization", {"output_mode": "multi_hot", "split": None, "standardize": "lower"}),
    (SENTENCES, "TextVectorization", {"split": None, "output_sequence_length": 1}),
    (TOWNS, "StringLookup", {}),
    (TOWNS, "StringLookup", {"mask_token": ""}),
    (TOWNS, "StringLookup", {"mask_token": "", "num_oov_indices": 3, "vocabulary": ["Rome", "fast"]}),
    (TOWNS, "StringLookup", {"num_oov_indices": 4, "vocabulary": ["Oslo"], "salt": [7, 8]}),
    (TOWNS, "StringLookup", {"num_oov_indices": 0, "oov_token": "?"}),
    (TOWNS, "StringLookup", {"max_tokens": 4, "output_mode": "multi_hot", "mask_token": "slow"}),
    (TOWNS, "StringLookup", {"output_mode": "count"}),
    (TOWNS, "StringLookup", {"output_mode": "one_hot", "max_tokens": 5}),
    (TOWNS, "StringLookup", {"output_mode": "tf_idf"}),
    (TOWNS, "StringLookup", {"vocabulary": ["[UNK]", "Rome", "slow"], "output_mode": "tf_idf", "idf_weights": [0.1, 0.2, 0.3]}),
    ([[t[0]] for t in TOWNS], "StringLookup", {"output_mode": "one_hot"}),
    (TOWNS, "Hashing", {"num_bins": 5}),
    (TOWNS, "Hashing", {"num_bins": 9, "mask_value": "", "salt": 133}),
    (TOWNS, "Hashing", {"num_bins": 4, "output_mode": "multi_hot"}),
    ([[t[0]] for t in TOWNS], "Hashing", {"num_bins": 4, "output_mode": "one_hot", "salt": [1, 2]}),
    (TOWNS, "HashedCrossing", {"num_bins": 11}),
    (TOWNS, "HashedCrossing", {"num_bins": 6, "output_mode": "one_hot"}),
]


def main():
    lines = [f"# Made by {pathlib.Path(__file__).name} with Keras {keras.__version__}; do not edit.", "cases:"]
    for texts, name, config in CASES:
        layer = getattr(keras.layers, name)(**config)
        data = tf.constant([t if isinstance(t, list) else [t] for t in texts])
        if "Lookup" in name or "Text" in name:
            if "vocabulary" not in config:
                layer.adapt(tf.data.Dataset.from_tensor_slices(data).batch(3))
        y = layer([data[:, k:k + 1] for k in range(2)]) if name == "HashedCrossing" else layer(data)
        y = np.asarray(y).astype("float64")
        vocabulary = []
        if name in ("StringLookup", "TextVectorization"):
            vocabulary = layer.get_vocabulary(include_special_tokens=False)
        config = {k: list(v) if isinstance(v, tuple) else v for k, v in config.items()}
        lines.append("  - " + json.dumps({"class": name, "config": config, "texts": [t if isinstance(t, list) else [t] for t in texts],
                                          "vocabulary": [str(v) for v in vocabulary], "shape": list(y.shape[1:]),
                                          "values": [float(f"{v:.8g}") for v in y.reshape(-1)]}, ensure_ascii=True))
    out = pathlib.Path(__file__).with_name("text_steps.yaml")
    out.write_text("\n".join(lines) + "\n")
    print(out, len(lines))


main()
