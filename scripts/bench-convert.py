#!/usr/bin/env python3
"""MobileNetV2 (224x224, random weights) from .keras to .onnx: dltool with its proof against Keras's own export and tf2onnx, interleaved.

Usage: bench-convert.py DLTOOL [ROUNDS]   with a Python that has keras, tensorflow and tf2onnx
Each round runs every program in a process of its own and takes its wall time and the CPU time of all its threads. "inside" is the part of a
Python program between loading the model and the written file, so without the start of Python and its imports. Printed per round: the
times; at the end the median ratio to dltool with its range.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAKE = r"""
import keras, sys
keras.utils.set_random_seed(1)
keras.applications.MobileNetV2(weights=None).save(sys.argv[1])
"""
# Keras asks for one call of a loaded model before it exports it.
PEERS = {
    "keras.export": r"""
import keras, sys, time
import numpy as np
import tf2onnx  # what model.export needs
start = time.perf_counter()
model = keras.saving.load_model(sys.argv[1])
model(np.zeros((1, 224, 224, 3), "float32"))
model.export(sys.argv[2], format="onnx", verbose=False)
print("inside", time.perf_counter() - start)
""",
    "tf2onnx": r"""
import keras, sys, time
import tensorflow as tf
import tf2onnx
start = time.perf_counter()
model = keras.saving.load_model(sys.argv[1])
call = tf.function(lambda x: model(x, training=False), input_signature=[tf.TensorSpec([None, 224, 224, 3], tf.float32, name="x")])
tf2onnx.convert.from_function(call, input_signature=call.input_signature, opset=17, output_path=sys.argv[2])
print("inside", time.perf_counter() - start)
""",
}


def measure(command: list[str]) -> tuple[float, float, float]:
    """Wall and CPU seconds of the process, and the seconds that it says it took inside."""
    environment = dict(os.environ, KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), errors.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command[:2])[:60]}: exit {process.returncode}\n{errors.read()[-2000:]}")
        inside = next((float(line.split()[1]) for line in out if line.startswith("inside ")), wall)
    return wall, usage.ru_utime + usage.ru_stime, inside


def main() -> None:
    dltool, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 5
    with tempfile.TemporaryDirectory() as folder:
        source = str(Path(folder, "m.keras"))
        measure([sys.executable, "-c", MAKE, source])
        ratios: dict[str, list[float]] = {name: [] for name in PEERS}
        for number in range(1, rounds + 1):
            wall, cpu, _ = measure([dltool, "convert", source, str(Path(folder, "ours.onnx")), "--force"])
            line = f"round {number}: dltool {wall:.2f} s (CPU {cpu:.2f})"
            for name, program in PEERS.items():
                theirs, their_cpu, inside = measure([sys.executable, "-c", program, source, str(Path(folder, "theirs.onnx"))])
                ratios[name].append(theirs / wall)
                line += f", {name} {theirs:.2f} s (CPU {their_cpu:.2f}, inside {inside:.2f})"
            print(line, flush=True)
    for name, list_of in ratios.items():
        print(f"{name} / dltool, wall: median {statistics.median(list_of):.1f}, from {min(list_of):.1f} to {max(list_of):.1f}")


if __name__ == "__main__":
    main()
