#!/usr/bin/env python3
"""The node cases of the onnx package and the files of Debian's libonnx-testdata as judges of `dltool predict model.onnx`.

Verdicts are kept apart: pass; refused (exit 2 or 3 with one line that says why); wrong (other numbers, shapes or types than the case's own
tolerances allow); crash (any other end, or no end). A wrong number is worse than a refusal, a crash worse still.
Who uses it: people (`onnx_cases.py --filter resize --only-failing`) and test_onnx_cases.py."""

import argparse
import collections
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

PAGE = Path(__file__).resolve().parents[2] / "lib/io/onnx/REFUSED.md"
DEBIAN = Path("/usr/share/libonnx-testdata/data")
MAX_OPSET, MAX_IR = 26, 13
TIMEOUT_S = 20

TYPES = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BOOL, TensorProto.INT8, TensorProto.INT16,
         TensorProto.INT32, TensorProto.INT64, TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64}

RANDOM = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}


def as_array(value):
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


class Case:
    """A model, the inputs it is run on and the outputs it must give, by name."""

    def __init__(self, name, model, inputs, outputs, rtol, atol):
        self.name, self.model, self.rtol, self.atol = name, model, rtol, atol
        # Inputs given by a case are the model's first ones; the others have initializers. A None is an input left out.
        self.inputs = {i.name: as_array(a) for i, a in zip(model.graph.input, inputs) if a is not None}
        self.outputs = [(o.name, as_array(a)) for o, a in zip(model.graph.output, outputs)]

    @property
    def is_random(self):
        return any(n.op_type in RANDOM for n in self.model.graph.node)

    @property
    def operator(self):
        nodes = self.model.graph.node
        return nodes[0].op_type if len({n.op_type for n in nodes}) == 1 else self.model.graph.name or nodes[-1].op_type


def in_scope(model):
    """Core operators up to the newest opset, on plain tensors of floats, integers and booleans."""
    if model.ir_version > MAX_IR:
        return False
    for opset in model.opset_import:
        if opset.domain not in ("", "ai.onnx") or opset.version > MAX_OPSET:
            return False
    values = [*model.graph.input, *model.graph.output]
    return all(v.type.WhichOneof("value") == "tensor_type" and v.type.tensor_type.elem_type in TYPES for v in values)


def package_cases(pattern):
    """Those that the onnx package generates."""
    from onnx.backend.test.case.node import collect_testcases
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = collect_testcases(None)
    for case in cases:
        if pattern.search(case.name) and in_scope(case.model):
            inputs, outputs = case.data_sets[0]
            # What the inverse transform leaves of an imaginary part that is 0 is float32 noise of 2e-7 in these cases.
            atol = 1e-6 if case.name.startswith("test_dft_inverse") else case.atol
            yield Case(case.name, case.model, inputs, outputs, case.rtol, atol)


def read_value(path, info):
    if info.type.WhichOneof("value") != "tensor_type":
        return None
    tensor = TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor)


def debian_cases(pattern):
    """Those of Debian's package: a folder each with model.onnx and test_data_set_N/{input,output}_K.pb."""
    for path in sorted(DEBIAN.glob("*/*/model.onnx")):
        name = f"debian/{path.parent.parent.name}/{path.parent.name}"
        if not pattern.search(name):
            continue
        model = onnx.load(str(path))
        folders = sorted(path.parent.glob("test_data_set_*"))
        if not in_scope(model) or not folders:
            continue
        read = lambda kind, infos: [read_value(file, info) for k, info in enumerate(infos)
                                    if (file := folders[0] / f"{kind}_{k}.pb").exists()]
        # The cases of this package have no tolerances of their own; these are the defaults of its runner.
        yield Case(name, model, read("input", model.graph.input), read("output", model.graph.output), 1e-3, 1e-7)


def compare(case, found):
    """What differs, or None. Values that may be random are compared by type and shape alone."""
    names = list(found)
    for k, (name, want) in enumerate(case.outputs):
        key = name if name in found else names[k] if k < len(names) else None
        if key is None:
            return f"output {name} is missing"
        got = found[key]
        if got.shape != want.shape:
            return f"output {name}: shape {got.shape} instead of {want.shape}"
        if got.dtype != want.dtype:
            return f"output {name}: {got.dtype} instead of {want.dtype}"
        if case.is_random:
            continue
        if not np.allclose(got.astype(np.float64), want.astype(np.float64), rtol=case.rtol, atol=case.atol, equal_nan=True) or (
                got.dtype.kind in "iub" and case.rtol <= 1e-3 and not np.array_equal(got, want)):
            bad = ~np.isclose(got.astype(np.float64), want.astype(np.float64), rtol=case.rtol, atol=case.atol, equal_nan=True)
            first = np.flatnonzero(bad.ravel() if bad.any() else (got != want).ravel())[0]
            return f"output {name}: element {first} is {got.ravel()[first]!s} instead of {want.ravel()[first]!s} ({bad.sum()} of {bad.size})"
    return None


def run(case, dltool, folder):
    """The verdict and its reason."""
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        (place / "model.onnx").write_bytes(case.model.SerializeToString())
        np.savez(place / "in.npz", **case.inputs)
        command = [dltool, "predict", "model.onnx", "--inputs", "in.npz", "--outputs", "out.npz"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment, errors="replace")
        except subprocess.TimeoutExpired:
            return "crash", f"no end after {TIMEOUT_S} s"
        said = done.stderr.strip()
        if done.returncode in (2, 3):
            return ("refused", said) if said else ("crash", f"exit {done.returncode} without a word")
        if done.returncode != 0:
            return "crash", f"exit {done.returncode}: {said[-300:]}"
        with np.load(place / "out.npz", allow_pickle=False) as archive:
            difference = compare(case, {key: archive[key] for key in archive.files})
        return ("wrong", difference) if difference else ("pass", "")
    finally:
        shutil.rmtree(place, ignore_errors=True)


def run_all(cases, dltool, jobs=2):
    """[(case, verdict, reason)], in the order of the cases."""
    folder = tempfile.mkdtemp(prefix="dltool-onnx-")
    try:
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            return [(c, *verdict) for c, verdict in zip(cases, pool.map(lambda c: run(c, dltool, folder), cases))]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def count(results):
    return collections.Counter(verdict for _, verdict, _ in results)


def print_operators(results):
    by_operator = collections.defaultdict(collections.Counter)
    for case, verdict, _ in results:
        by_operator[case.operator][verdict] += 1
    for operator, verdicts in sorted(by_operator.items()):
        if set(verdicts) != {"pass"}:
            print(f"{operator:32} " + "  ".join(f"{v} {verdicts[v]}" for v in ("pass", "refused", "wrong", "crash") if verdicts[v]))


def reason_of(said):
    """What an error says, without the file and the node."""
    line = re.sub(r"^.*?model\.onnx:\s*", "", said.splitlines()[-1])
    if line.startswith("operators that are not supported"):
        return "operators that are not built: " + ", ".join(sorted(set(re.findall(r"\((\w+)\)", line))))
    return re.sub(r"^node '[^']*' \(\w+\): ", "", line)


def report(results):
    """The page that lists what is refused."""
    refused = collections.defaultdict(lambda: collections.defaultdict(set))
    for case, verdict, said in results:
        if verdict == "refused":
            refused[case.operator][reason_of(said)].add(case.name.split("/")[-1])
    lines = ["# ONNX operators that are refused", "",
             "Of the conformance cases of the onnx package (node cases of the core operators up to opset 26 on floats, integers and booleans)",
             "and of Debian's libonnx-testdata. All others give the numbers they must. Written by `tests/oracle/onnx_cases.py --write`.", "",
             "| operator | cases | reason |", "| --- | --- | --- |"]
    for operator, reasons in sorted(refused.items()):
        for reason, names in sorted(reasons.items()):
            lines.append(f"| {operator} | {len(names)} | {reason.replace('|', '/')} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dltool", default=os.environ.get("DLTOOL", "build/release/dltool"))
    parser.add_argument("--filter", default="", metavar="REGEX", help="cases whose name matches")
    parser.add_argument("--source", choices=["all", "package", "debian"], default="all")
    parser.add_argument("--only-failing", action="store_true", help="print no passing case")
    parser.add_argument("--summary", action="store_true", help="print no case at all")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}, the list of what is refused, from all cases")
    parser.add_argument("--keep", metavar="FOLDER", help="write models and inputs there instead of running them")
    options = parser.parse_args()
    pattern = re.compile(options.filter, re.IGNORECASE)
    sources = {"package": package_cases, "debian": debian_cases}
    wrong = 0
    everything = []
    for source in sources if options.source == "all" else [options.source]:
        cases = list(sources[source](pattern))
        if options.keep:
            for case in cases:
                place = Path(options.keep) / case.name.replace("/", "_")
                place.mkdir(parents=True, exist_ok=True)
                (place / "model.onnx").write_bytes(case.model.SerializeToString())
                np.savez(place / "in.npz", **case.inputs)
                np.savez(place / "want.npz", **dict(case.outputs))
            continue
        results = run_all(cases, os.path.abspath(options.dltool))
        for case, verdict, reason in results:
            if not options.summary and not (options.only_failing and verdict == "pass"):
                print(f"{verdict:8} {case.name}  {reason.splitlines()[-1] if reason else ''}")
        print_operators(results)
        verdicts = count(results)
        print(f"{source}: {len(cases)} cases: " + ", ".join(f"{v} {verdicts[v]}" for v in ("pass", "refused", "wrong", "crash")))
        wrong += verdicts["wrong"] + verdicts["crash"]
        everything += results
    if options.write:
        if options.filter or options.source != "all":
            parser.error("--write needs all cases")
        PAGE.write_text(report(everything), encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
