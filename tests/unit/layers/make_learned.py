#!/usr/bin/env python3
"""Writes learned.yaml: what Discretization and IntegerLookup of real Keras 3.15 learn with adapt, for learned_test.cpp. The data are not
stored: both sides make them.

Run by hand after adding a case, from the root: .venv-oracle/bin/python tests/unit/layers/make_learned.py
"""
import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras  # noqa: E402
import numpy as np  # noqa: E402


def numbers(count):
    """In [-1, 1), from a linear congruential generator."""
    state, values = 7920, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        values.append((state >> 8) / 2**22 - 1)
    return np.array(values, "float32")


BINS = [  # size, chunk (0: all at once), power that skews the data, config
    (7, 0, 1, {"num_bins": 3}), (50, 0, 1, {"num_bins": 4}), (100, 0, 3, {"num_bins": 10}), (1000, 0, 1, {"num_bins": 2}),
    (12345, 0, 3, {"num_bins": 17}), (12345, 0, 2, {"num_bins": 5, "epsilon": 0.1}), (2500, 0, 1, {"num_bins": 20, "epsilon": 0.003}),
    (3000, 1000, 1, {"num_bins": 6}), (5000, 700, 3, {"num_bins": 9}), (999, 100, 1, {"num_bins": 4, "epsilon": 0.05}),
    (6, 0, 1, {"num_bins": 20}), (400, 0, 0, {"num_bins": 3}),
]
LOOKUPS = [  # rows, columns, largest token, config
    (40, 3, 9, {}), (40, 3, 9, {"max_tokens": 5}), (30, 4, 12, {"mask_token": 3, "oov_token": 7}),
    (30, 4, 12, {"mask_token": 0, "num_oov_indices": 2, "max_tokens": 8}), (25, 5, 30, {"output_mode": "tf_idf"}),
    (25, 5, 30, {"output_mode": "tf_idf", "max_tokens": 10, "mask_token": 4}), (60, 1, 20, {"output_mode": "one_hot"}),
]


def main():
    lines = [f"# Made by {pathlib.Path(__file__).name} with Keras {keras.__version__}; do not edit.", "bins:"]
    for size, chunk, power, config in BINS:
        data = (np.sign(numbers(size)) * np.abs(numbers(size)) ** power).astype("float32")
        layer = keras.layers.Discretization(**config)
        layer.adapt((data[i:i + chunk] for i in range(0, size, chunk)) if chunk else data)
        lines.append("  - " + json.dumps({"size": size, "chunk": chunk, "power": power, "config": config, "borders": layer.bin_boundaries}))
    lines.append("lookups:")
    for rows, columns, largest, config in LOOKUPS:
        data = np.floor((numbers(rows * columns) + 1) / 2 * largest).astype("int64").reshape(rows, columns)
        layer = keras.layers.IntegerLookup(**config)
        layer.adapt(data)
        weights = [float(w) for w in layer.idf_weights.numpy()] if config.get("output_mode") == "tf_idf" else []
        first = config.get("num_oov_indices", 1) + ("mask_token" in config and config.get("output_mode", "int") == "int")
        vocabulary = [int(v) for v in layer.get_vocabulary(include_special_tokens=False)]
        lines.append("  - " + json.dumps({"rows": rows, "columns": columns, "largest": largest, "config": config, "vocabulary": vocabulary,
                                          "idf_weights": weights[first:]}))
    out = pathlib.Path(__file__).with_name("learned.yaml")
    out.write_text("\n".join(lines) + "\n")
    print(out, len(lines))


main()
