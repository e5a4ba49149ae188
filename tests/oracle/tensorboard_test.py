#!/usr/bin/env python3
"""TensorBoard's own reader judges a run's events: tensorboard_test.py RUN_FOLDER [EVENTS_FOLDER]

RUN_FOLDER holds metrics.jsonl; the events lie in EVENTS_FOLDER (default: RUN_FOLDER/tensorboard, else RUN_FOLDER).
Every scalar TensorBoard shows must equal the log's number rounded to float32, with the same steps, none missing, none extra.
Needs the packages tensorboard and numpy.
"""
import json
import pathlib
import sys

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util


def read_events(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    accumulator.Reload()
    tags = accumulator.Tags()
    series = {tag: [(e.step, np.float32(e.value)) for e in accumulator.Scalars(tag)] for tag in tags["scalars"]}
    for tag in tags["tensors"]:
        series[tag] = [(e.step, np.float32(tensor_util.make_ndarray(e.tensor_proto).item())) for e in accumulator.Tensors(tag)]
    return series


def expected_events(log):
    own = {"type", "step", "epoch", "time", "learning_rate", "seconds", "data_wait_seconds", "samples_per_second"}
    train, validation = {}, {}

    def add(series, tag, step, value):
        series.setdefault(tag, []).append((step, np.float32("nan" if value is None else value)))

    for record in log:
        if record["type"] == "epoch":
            add(train, "epoch_learning_rate", record["epoch"], record["learning_rate"])
        for name, value in record.items():
            if name in own:
                continue
            if record["type"] == "step":
                add(train, "batch_" + name, record["step"], value)
            elif name.startswith("val_"):
                add(validation, "epoch_" + name[4:], record["epoch"], value)
                add(validation, f"evaluation_{name[4:]}_vs_iterations", record["step"], value)
            else:
                add(train, "epoch_" + name, record["epoch"], value)
    return train, validation


def compare(name, got, expected):
    # Steps may be left out of the events or of the log by choice; epochs never.
    if not any(tag.startswith("batch_") for tag in got) or not any(tag.startswith("batch_") for tag in expected):
        got = {tag: s for tag, s in got.items() if not tag.startswith("batch_")}
        expected = {tag: s for tag, s in expected.items() if not tag.startswith("batch_")}
    errors = []
    for tag in sorted(set(got) | set(expected)):
        a, b = got.get(tag), expected.get(tag)
        if a is None or b is None:
            errors.append(f"{name}: {tag}: {'missing in the events' if a is None else 'not in metrics.jsonl'}")
        elif [s for s, _ in a] != [s for s, _ in b]:
            errors.append(f"{name}: {tag}: steps {[s for s, _ in a][:8]}... instead of {[s for s, _ in b][:8]}...")
        elif not np.array_equal(np.array([v for _, v in a]), np.array([v for _, v in b]), equal_nan=True):
            errors.append(f"{name}: {tag}: values differ")
    return errors, sum(len(s) for s in got.values())


def main():
    run = pathlib.Path(sys.argv[1])
    default = run / "tensorboard" if (run / "tensorboard").is_dir() else run
    events = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else default
    log = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    train, validation = expected_events(log)
    errors, count = compare("train", read_events(events / "train"), train)
    if validation:
        more, extra = compare("validation", read_events(events / "validation"), validation)
        errors, count = errors + more, count + extra
    if count == 0:
        errors.append("TensorBoard found no scalar at all")
    print("\n".join(errors) or f"{count} scalars agree")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
