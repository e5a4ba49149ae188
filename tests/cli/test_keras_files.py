"""Hostile and damaged .keras and .h5 files (tests/fuzz/make_keras_corpus.py): one clear line, exit code 3, nothing read or written outside,
bounded memory and time. And what cron wants of these formats: the same bytes, errors that list everything."""

import json
import resource
import shutil
import time

from cli import ROOT, CliTest, main

CORPUS = ROOT / "tests/fuzz/corpus"

GOOD = {"h5": ["good", "good-latest", "gzip", "big-endian", "float64", "nan", "keras1"], "keras": ["good", "deflated", "assets"]}

BAD = {
    "h5/config-not-json": r"model_config: is no JSON",
    "h5/config-deep": r"model_config: is no JSON: .*more than 100 levels",
    "h5/config-list": r"is a model of class ''",
    "h5/lambda": r"layer 'l' \(Lambda\): is Python code, which is never run",
    "h5/unknown-class": r"layer 'e' \(Evil\): is Python code of the module 'os', which is never loaded",
    "h5/shape-bomb": r"d/kernel:0: has shape \[3, 2\], weight 'd/kernel' of the model has \[3, 2147483647\]",
    "h5/wrong-rank": r"d/kernel:0: has shape \[3, 2, 1\]",
    "h5/int8-weights": r"d/kernel:0: holds int8, weight 'd/kernel' needs floating-point",
    "h5/missing-weight-names": r"model_weights/d: has no attribute 'weight_names'",
    "h5/missing-dataset": r"d/kernel:0: is missing",
    "h5/missing-layer-names": r"model_weights: has no attribute 'layer_names'",
    "h5/path-names": r"is missing: the array of weight 'd/kernel'",
    "h5/external-link": r"model_weights/d/d: kernel:0: is an external link, which may lead to other files",
    "h5/soft-link": r"kernel:0: is a soft link",
    "h5/soft-link-loop": r"kernel:0: is a soft link",
    "h5/external-storage": r"d/kernel:0: has its data in another file; such files are not read",
    "h5/virtual-dataset": r"d/kernel:0: is a virtual dataset",
    "h5/hard-link-loop": r"is nested too deeply, or lies inside itself",
    "h5/chunked-4-tib": r"d/kernel:0: has 4398046511104 bytes, of which the file holds",
    "h5/unknown-filter": r"d/kernel:0: is packed by the HDF5 filter 32015, which is unknown here",
    "h5/heap-loop": r"is damaged or hostile: the HDF5 library crashed while reading it \(CPU time limit exceeded\)",
    "h5/vlen": r"d/kernel:0: holds elements that are no numbers",
    "h5/compound": r"d/kernel:0: holds elements that are no numbers",
    "h5/empty": r"is empty",
    "h5/magic-alone": r"is no HDF5 file, or its begin is damaged",
    "h5/not-hdf5": r"is no HDF5 file, or its begin is damaged|is no zip file",
    "keras/truncated": r"is no zip file, or it is damaged or cut short",
    "keras/cut-in-half": r"is no zip file, or it is damaged or cut short",
    "keras/no-config": r"has no member 'config.json'",
    "keras/no-weights": r"has no member 'model.weights.h5'",
    "keras/config-not-json": r"config.json: is no JSON",
    "keras/config-deep": r"config.json: is no JSON: .*more than 100 levels",
    "keras/lambda": r"layer 'l' \(Lambda\): is Python code, which is never run",
    "keras/module-os": r"layer 'x' \(system\): is Python code of the module 'os', which is never loaded",
    "keras/function-of-builtins": r"layer 'a' \(Activation\): .*unknown activation 'exec'",
    "keras/two-weights": r"member 'model.weights.h5' is there twice",
    "keras/path-traversal": r"member '../../tmp/owned' has a name that leads out of the archive",
    "keras/absolute-path": r"member '/tmp/owned' has a name that leads out of the archive",
    "keras/backslash-path": r"has a name that leads out of the archive",
    "keras/bomb": r"member 'config.json' .*(would unpack|more than any model needs|is no JSON)",
    "keras/bomb-in-weights": r"model.weights.h5.*(would unpack|is no HDF5 file)",
    "keras/encrypted": r"is encrypted",
    "keras/extra-array": r"layers/dense/vars/2: is an array that the model has no weight for",
    "keras/wrong-shape": r"layers/dense/vars/0: has shape \[2, 3\]",
    "keras/external-link": r"is an? external link",
    "keras/weights-no-hdf5": r"model.weights.h5: is no HDF5 file",
    "keras/empty": r"is no zip file",
    "keras/empty-zip": r"has no member 'config.json'|is no zip file",
}


class Hostile(CliTest):
    def limited(self, *arguments):
        """Within 1 GB of address space for data and 120 s on a busy machine (4 s of the processor)."""
        def limit():
            resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
        begin = time.monotonic()
        result = self.run_dltool(*arguments, preexec_fn=limit)
        self.assertLess(time.monotonic() - begin, 120, result)
        return result

    def copy(self, name):
        folder = name.split("/")[0]
        return shutil.copy(CORPUS / f"{name}.{folder}", self.folder / f"{name.replace('/', '-')}.{folder}")

    def test_every_file_of_the_corpus_is_known_here(self):
        known = {*BAD, *(f"{kind}/{name}" for kind, names in GOOD.items() for name in names)}
        written = {f"{kind}/{path.stem}" for kind in GOOD for path in (CORPUS / kind).glob(f"*.{kind}")}
        self.assertEqual(written - known, set())
        self.assertEqual(known - written, set())

    def test_refused_in_one_line(self):
        for name, pattern in BAD.items():
            with self.subTest(name=name):
                path = self.copy(name)
                self.limited("convert", path, "out.onnx").fails(3, pattern).complains(name.split("/")[1])
                self.assertFalse((self.folder / "out.onnx").exists())

    def test_good_ones_are_read(self):
        for kind, names in GOOD.items():
            for name in names:
                with self.subTest(name=name):
                    self.limited("inspect", self.copy(f"{kind}/{name}")).succeeds()

    def test_cut_at_every_kilobyte(self):
        for kind in GOOD:
            whole = (CORPUS / kind / f"good.{kind}").read_bytes()
            for size in range(0, len(whole), 1024):
                with self.subTest(kind=kind, size=size):
                    self.limited("inspect", self.write(f"cut.{kind}", whole[:size])).fails(3, rf"cut\.{kind}: ")

    def test_flipped_bytes_never_crash(self):
        for kind in GOOD:
            whole = bytearray((CORPUS / kind / f"good.{kind}").read_bytes())
            for place in range(7, len(whole), max(1, len(whole) // 60)):
                damaged = bytearray(whole)
                damaged[place] ^= 0xff
                result = self.limited("inspect", self.write(f"flip.{kind}", bytes(damaged)))
                with self.subTest(kind=kind, place=place):
                    self.assertIn(result.code, (0, 3), result)
                    self.assertEqual(result.code == 3, result.stderr != "", result)

    def test_nothing_is_written_beside(self):
        before = sorted(self.folder.iterdir())
        for name in ("keras/path-traversal", "keras/module-os", "h5/unknown-class"):
            path = self.copy(name)
            self.run_dltool("inspect", path).exits(3)
            path_object = self.folder / f"{name.replace('/', '-')}.{name.split('/')[0]}"
            path_object.unlink()
        self.assertEqual(sorted(self.folder.iterdir()), before)


class Writing(CliTest):
    MODEL = "inputs: {x: {shape: [4, 3]}}\nlayers:\n"

    def test_all_that_is_unsupported_at_once(self):
        self.write("m.yaml", self.MODEL + "  - RMSNormalization: {name: n}\n  - Dense: {units: 2, activation: celu, name: d}\n")
        self.run_dltool("convert", "m.yaml", "m.h5", "--keras-version", "2").fails(3, r"layer 'n' \(RMSNormalization\): ", lines=4).complains(
            r"layer 'd' \(Dense\): .*celu")
        self.assertFalse((self.folder / "m.h5").exists())

    def test_converted_twice_is_the_same(self):
        self.write("m.yaml", self.MODEL + "  - LSTM: {units: 2}\n  - Dense: {units: 2}\n")
        for target in ("a.keras", "b.keras"):
            self.run_dltool("convert", "m.yaml", target).succeeds()
            time.sleep(0.01)
        self.assertEqual((self.folder / "a.keras").read_bytes(), (self.folder / "b.keras").read_bytes())

    def test_weights_with_the_description_beside(self):
        self.write("m.yaml", self.MODEL + "  - Flatten:\n  - Dense: {units: 2, name: d}\n")
        self.run_dltool("convert", "m.yaml", "m.keras").succeeds()
        import zipfile
        with zipfile.ZipFile(self.folder / "m.keras") as archive:
            self.assertEqual(archive.namelist(), ["metadata.json", "config.json", "model.weights.h5"])
            self.write("w.weights.h5", archive.read("model.weights.h5"))
            config = archive.read("config.json")
            self.assertEqual(json.loads(config)["class_name"], "Sequential")
        self.run_dltool("inspect", "w.weights.h5").fails(3, r"holds weights alone; put the model's description")
        self.write("w.json", config)
        self.run_dltool("convert", "w.weights.h5", "again.keras").succeeds()
        with zipfile.ZipFile(self.folder / "again.keras") as archive:
            self.assertEqual(archive.read("config.json"), config)

    def test_the_description_alone_is_a_model(self):
        import zipfile
        self.write("m.yaml", self.MODEL + "  - Flatten:\n  - Dense: {units: 2, name: d}\n")
        self.run_dltool("convert", "m.yaml", "m.keras").succeeds()
        with zipfile.ZipFile(self.folder / "m.keras") as archive:
            self.write("model.json", archive.read("config.json"))  # also the name of a TF.js model
        self.run_dltool("inspect", "model.json").succeeds()
        result = self.run_dltool("convert", "model.json", "again.keras").succeeds()
        self.assertIn("model.json: is not trained; its initial weights are written", result.stderr)
        self.assertEqual((self.folder / "again.keras").read_bytes(), (self.folder / "m.keras").read_bytes())
        self.write("run.yaml", "model: model.json\ndata:\n  train: {format: synthetic, samples: 8, shape: [4, 3]}\ntraining: {loss: sparse_categorical_crossentropy, epochs: 1}\n")
        self.run_dltool("train", "run.yaml", "--print-config").succeeds()
        self.write("model.json", json.dumps({"class_name": "Sequential", "config": {"layers": [
            {"class_name": "Lambda", "config": {"name": "l", "batch_input_shape": [None, 2]}}]}}))
        self.run_dltool("inspect", "model.json").fails(3, r"model\.json: layer 'l' \(Lambda\): is Python code")
        self.write("model.json", '{"class_name": ')
        self.run_dltool("inspect", "model.json").fails(3, r"model\.json: is no JSON")

    def test_cells_of_one_class_need_no_names(self):
        self.write("m.yaml", self.MODEL + "  - RNN: {cell: [LSTMCell: {units: 2}, LSTMCell: {units: 3}]}\n")
        for target in ("m.keras", "m.h5", "m.onnx"):
            self.run_dltool("convert", "m.yaml", target).succeeds()

    def test_self_test_is_stored(self):
        self.write("m.yaml", self.MODEL + "  - Dense: {units: 2}\n")
        for target in ("m.keras", "m.h5"):
            self.run_dltool("convert", "m.yaml", target).succeeds()
            self.run_dltool("inspect", target, "--selftest").succeeds()


if __name__ == "__main__":
    main()
