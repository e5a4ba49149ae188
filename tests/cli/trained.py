"""Small trained models for the tests of eval, predict, inspect and bench. Each is trained once per test program."""

import atexit
import functools
import os
import shutil
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path

from cli import DLTOOL, ROOT

DIGITS = f"""
model:
  inputs:
    image: {{shape: [64]}}
  layers:
    - Dense: {{units: 32, activation: relu, name: hidden}}
    - Dense: {{units: 10, activation: softmax, name: digit}}
data:
  train: {{path: {ROOT}/configs/data/digits.csv.gz, columns: {{y: label}}, classes: 10, rescale: 1/16}}
  test: {{split: 0.2}}
training:
  loss: sparse_categorical_crossentropy
  optimizer: {{Adam: {{learning_rate: 0.01}}}}
  metrics: [accuracy]
  batch_size: 32
  epochs: 3
"""

# y = 50 a - 30 b + 1000: a network can only say so when the scaling of the target is undone.
LINE = """
model:
  inputs:
    point: {shape: [2]}
  layers:
    - Dense: {units: 1}
data:
  train: {path: line.csv, columns: {x: [a, b], y: {price: price}}}
  validation: {path: line.csv, columns: {x: [a, b], y: {price: price}}}
  standardize: [x, price]
training: {loss: mse, metrics: [mae], optimizer: {SGD: {learning_rate: 0.1}}, batch_size: 20, epochs: 60}
"""

# Two classes by one sigmoid; the labels are words.
SIDES = """
model:
  inputs:
    x: {shape: [1]}
  layers:
    - Dense: {units: 1, activation: sigmoid}
data:
  train: {path: sides.csv, columns: {y: side}, classes: [left, right]}
  validation: {split: 0.2}
training: {loss: binary_crossentropy, metrics: [accuracy], optimizer: {Adam: {learning_rate: 0.1}}, batch_size: 10, epochs: 20}
"""


def line_rows():
    return [(a / 7 - 2, b / 5 - 1) for a in range(20) for b in range(10)]


def _folder():
    folder = Path(tempfile.mkdtemp(prefix="dltool-trained-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _train(spec, **files):
    folder = _folder()
    (folder / "run.yaml").write_text(spec)
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    env = {"HOME": str(folder), "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "OMP_WAIT_POLICY": "passive"}
    subprocess.run([DLTOOL, "train", "run.yaml", "-q", "-o", "run"], cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL, timeout=120)
    return folder


@functools.cache
def digits():
    """Folder with run.yaml and the trained run in run/."""
    return _train(DIGITS)


@functools.cache
def line():
    rows = "".join(f"{a!r},{b!r},{50 * a - 30 * b + 1000!r}\n" for a, b in line_rows())
    return _train(LINE, line="a,b,price\n" + rows)


@functools.cache
def sides():
    rows = "".join(f"{i / 10 - 5!r},{'left' if i < 50 else 'right'}\n" for i in range(100))
    return _train(SIDES, sides="x,side\n" + rows)


def newest_checkpoint(folder):
    """The last one written, whether or not there is a best one."""
    return sorted((folder / "run/checkpoints").glob("step-*.ckpt.h5"))[-1]


def png(gray):
    """An 8x8 image of one grey value."""
    raw = b"".join(b"\0" + bytes([gray] * 8) for _ in range(8))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")
