#!/usr/bin/env python3
"""Writes the seeds corpus/keras and corpus/h5: small good files and every kind of hostile one (robustness of readers). Run by hand after
a change, from the root: .venv-oracle/bin/python tests/fuzz/make_keras_corpus.py"""

import io
import json
import pathlib
import zipfile

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent / "corpus"
DENSE = {"class_name": "Dense", "config": {"name": "d", "units": 2, "activation": "relu"}}
INPUT = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 3], "dtype": "float32", "name": "x"}}


def sequential(*layers):
    return {"class_name": "Sequential", "config": {"name": "m", "layers": [INPUT, *layers]}}


def nested(depth):
    return '{"a": ' * depth + "1" + "}" * depth


def legacy(change=None, config=None, **options):
    """A whole-model .h5 as bytes; `change(file)` damages it."""
    memory = io.BytesIO()
    with h5py.File(memory, "w", **options) as f:
        f.attrs["keras_version"] = "2.15.0"
        f.attrs["backend"] = "tensorflow"
        f.attrs["model_config"] = config if isinstance(config, str) else json.dumps(config or sequential(DENSE))
        weights = f.create_group("model_weights")
        weights.attrs["layer_names"] = np.array([b"d"])
        layer = weights.create_group("d")
        layer.attrs["weight_names"] = np.array([b"d/kernel:0", b"d/bias:0"])
        layer["d/kernel:0"] = np.arange(6, dtype="float32").reshape(3, 2)
        layer["d/bias:0"] = np.ones(2, "float32")
        if change:
            change(f)
    return memory.getvalue()


def replace(path, make):
    def change(f):
        del f[path]
        make(f, path)
    return change


KERNEL = "model_weights/d/d/kernel:0"


def virtual(f, path):
    layout = h5py.VirtualLayout(shape=(3, 2), dtype="float32")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(3, 2))
    f.create_virtual_dataset(path, layout)


def external(f, path):
    f.create_dataset(path, shape=(3, 2), dtype="float32", external=[("/etc/passwd", 0, 24)])


def unknown_filter(f, path):
    space = h5py.h5s.create_simple((3, 2))
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk((3, 2))
    creation.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))  # zstd, not there
    h5py.h5d.create(f.id, path.encode(), h5py.h5t.IEEE_F32LE, space, creation)


def inside_itself(f):
    f["model_weights/d/again"] = f["model_weights"]


H5 = {
    "good": legacy(),
    "good-latest": legacy(libver="latest"),
    "config-not-json": legacy(config="{not json"),
    "config-deep": legacy(config=nested(5000)),
    "config-list": legacy(config="[1, 2]"),
    "lambda": legacy(config=sequential({"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAAAAAAAA", None, None], "function_type": "lambda"}})),
    "unknown-class": legacy(config=sequential({"class_name": "Evil", "config": {"name": "e"}, "module": "os"})),
    "shape-bomb": legacy(config=sequential({"class_name": "Dense", "config": {"name": "d", "units": 2147483647}})),
    "wrong-rank": legacy(replace(KERNEL, lambda f, p: f.create_dataset(p, data=np.zeros((3, 2, 1), "float32")))),
    "int8-weights": legacy(replace(KERNEL, lambda f, p: f.create_dataset(p, data=np.zeros((3, 2), "int8")))),
    "missing-weight-names": legacy(lambda f: f["model_weights/d"].attrs.__delitem__("weight_names")),
    "missing-dataset": legacy(lambda f: f.__delitem__(KERNEL)),
    "missing-layer-names": legacy(lambda f: f["model_weights"].attrs.__delitem__("layer_names")),
    "path-names": legacy(lambda f: f["model_weights/d"].attrs.__setitem__("weight_names", np.array([b"../../d/x", b"/etc/passwd"]))),
    "external-link": legacy(replace(KERNEL, lambda f, p: f.__setitem__(p, h5py.ExternalLink("/etc/passwd", "/x")))),
    "soft-link": legacy(replace(KERNEL, lambda f, p: f.__setitem__(p, h5py.SoftLink("/model_weights/d/d/bias:0")))),
    "soft-link-loop": legacy(replace(KERNEL, lambda f, p: f.__setitem__(p, h5py.SoftLink("/" + p)))),
    "external-storage": legacy(replace(KERNEL, external)),
    "virtual-dataset": legacy(replace(KERNEL, virtual)),
    "hard-link-loop": legacy(inside_itself),
    "chunked-4-tib": legacy(replace(KERNEL, lambda f, p: f.create_dataset(p, shape=(1 << 20, 1 << 20), dtype="float32", chunks=(1024, 1024)))),
    "unknown-filter": legacy(replace(KERNEL, unknown_filter)),
    "gzip": legacy(replace(KERNEL, lambda f, p: f.create_dataset(p, data=np.ones((3, 2), "float32"), chunks=(2, 2), compression="gzip", shuffle=True, fletcher32=True))),
    "big-endian": legacy(replace(KERNEL, lambda f, p: f.create_dataset(p, data=np.arange(6).reshape(3, 2).astype(">f4")))),
    "float64": legacy(replace(KERNEL, lambda f, p: f.create_dataset(p, data=np.arange(6.0).reshape(3, 2)))),
    "vlen": legacy(replace(KERNEL, lambda f, p: f.create_dataset(p, shape=(3, 2), dtype=h5py.vlen_dtype("float32")))),
    "compound": legacy(replace(KERNEL, lambda f, p: f.create_dataset(p, shape=(3, 2), dtype=[("a", "f4"), ("b", "i4")]))),
    "nan": legacy(replace(KERNEL, lambda f, p: f.create_dataset(p, data=np.full((3, 2), np.nan, "float32")))),
    "heap-loop": (HERE / "h5/heap-loop.h5").read_bytes(),  # found by mutation: a heap that HDF5 1.10 walks for ever
    "empty": b"",
    "magic-alone": b"\x89HDF\r\n\x1a\n",
    "not-hdf5": b"PK\x05\x06 this is no HDF5 file" * 40,
}


def weights(change=None):
    memory = io.BytesIO()
    with h5py.File(memory, "w") as f:
        f["layers/dense/vars/0"] = np.arange(6, dtype="float32").reshape(3, 2)
        f["layers/dense/vars/1"] = np.ones(2, "float32")
        if change:
            change(f)
    return memory.getvalue()


def keras(members=None, method=zipfile.ZIP_STORED, config=None, extra=(), h5=None):
    memory = io.BytesIO()
    text = config if isinstance(config, str) else json.dumps(config or sequential(DENSE))
    with zipfile.ZipFile(memory, "w", method) as z:
        if members is None:
            members = [("metadata.json", '{"keras_version": "3.15.1"}'), ("config.json", text), ("model.weights.h5", h5 if h5 is not None else weights())]
        for name, content in [*members, *extra]:
            z.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, method)
    return memory.getvalue()


def flagged_encrypted(data):
    """Says of every member that it is encrypted."""
    out = bytearray(data)
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        begin = 0
        while (begin := out.find(magic, begin)) >= 0:
            out[begin + at] |= 1
            begin += 4
    return bytes(out)


KERAS = {
    "good": keras(),
    "deflated": keras(method=zipfile.ZIP_DEFLATED),
    "assets": keras(extra=[("assets/layers/x/vocabulary.txt", "a\nb\n")]),
    "truncated": keras()[:-60],
    "cut-in-half": keras()[: len(keras()) // 2],
    "no-config": keras(members=[("metadata.json", "{}"), ("model.weights.h5", weights())]),
    "no-weights": keras(members=[("metadata.json", "{}"), ("config.json", json.dumps(sequential(DENSE)))]),
    "config-not-json": keras(config="\x00\xff{"),
    "config-deep": keras(config=nested(20000)),
    "lambda": keras(config=sequential({"module": "keras.layers", "class_name": "Lambda", "config": {
        "name": "l", "function": {"class_name": "__lambda__", "config": {"code": "4wEAAAAA", "defaults": None, "closure": None}}}, "registered_name": None})),
    "module-os": keras(config=sequential({"module": "os", "class_name": "system", "config": {"name": "x", "command": "touch /tmp/owned"}, "registered_name": None})),
    "function-of-builtins": keras(config=sequential({"module": "keras.layers", "class_name": "Activation", "config": {
        "name": "a", "activation": {"module": "builtins", "class_name": "function", "config": "exec", "registered_name": "function"}}, "registered_name": None})),
    "two-weights": keras(extra=[("model.weights.h5", weights())]),
    "path-traversal": keras(extra=[("../../tmp/owned", "x")]),
    "absolute-path": keras(extra=[("/tmp/owned", "x")]),
    "backslash-path": keras(extra=[("..\\owned", "x")]),
    "bomb": keras(members=[("metadata.json", "{}"), ("config.json", " " * (100 << 20)), ("model.weights.h5", weights())], method=zipfile.ZIP_DEFLATED),
    "bomb-in-weights": keras(h5=b"\0" * (100 << 20), method=zipfile.ZIP_DEFLATED),
    "encrypted": flagged_encrypted(keras()),
    "extra-array": keras(h5=weights(lambda f: f.create_dataset("layers/dense/vars/2", data=np.ones(2, "float32")))),
    "wrong-shape": keras(h5=weights(lambda f: (f.__delitem__("layers/dense/vars/0"), f.create_dataset("layers/dense/vars/0", data=np.ones((2, 3), "float32"))))),
    "external-link": keras(h5=weights(lambda f: f.__setitem__("layers/evil", h5py.ExternalLink("/etc/passwd", "/x")))),
    "weights-no-hdf5": keras(h5=b"no HDF5"),
    "empty": b"",
    "empty-zip": keras(members=[]),
}

if __name__ == "__main__":
    for folder, files in (("h5", H5), ("keras", KERAS)):
        (HERE / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (HERE / folder / f"{name}.{folder}").write_bytes(content)
