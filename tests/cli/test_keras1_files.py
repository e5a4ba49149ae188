"""Files that the real Keras 1.2.2 wrote (tests/golden/keras1, with the script that made them): the same numbers, with TensorFlow's kernels
and Theano's, and refusals by name of what later versions do not have."""

import json
import shutil

import npy
from cli import ROOT, CliTest, main

GOLDEN = ROOT / "tests/golden/keras1"


class Keras1(CliTest):
    def copy(self, name):
        for path in GOLDEN.glob(f"{name}.*"):
            shutil.copy(path, self.folder / path.name)
        return self.folder / f"{name}.h5"

    def names(self):
        names = sorted(path.stem for path in GOLDEN.glob("*.h5"))
        self.assertGreaterEqual(len(names), 14)
        return names

    def check_numbers(self, name, model):
        self.run_dltool("predict", model, "--inputs", GOLDEN / f"{name}-in.npz", "--outputs", "out.npz").succeeds()
        expected, found = npy.load_npz(GOLDEN / f"{name}-out.npz"), npy.load_npz(self.folder / "out.npz")
        self.assertEqual(len(expected), len(found))
        for (_, shape, values), (_, found_shape, found_values) in zip(expected.values(), found.values()):
            self.assertEqual(shape, found_shape)
            scale = max(1, max(abs(v) for v in values))
            for a, b in zip(values, found_values):
                self.assertAlmostEqual(a, b, delta=2e-6 * scale)

    def test_same_numbers(self):
        for name in self.names():
            with self.subTest(name=name):
                self.check_numbers(name, self.copy(name))

    def test_converted(self):
        for name in self.names():
            for target, options in (("out.keras", []), ("out.h5", ["--keras-version", "2"]), ("out.onnx", [])):
                if "cnn" not in name and "merges" not in name and target != "out.keras":
                    continue
                if target == "out.keras" and "words" in name:  # hard_sigmoid is another function in Keras 3
                    target, options = "out.h5", ["--keras-version", "2"]
                with self.subTest(name=name, target=target):
                    self.run_dltool("convert", self.copy(name), target, "--force", *options).succeeds()
                    self.check_numbers(name, target)

    def refused(self, layers, *patterns):
        config = {"class_name": "Sequential", "keras_version": "1.2.2", "config": layers}
        self.write("m.json", json.dumps(config))
        result = self.run_dltool("convert", "m.json", "out.onnx").fails(3, patterns[0], lines=len(patterns))
        for pattern in patterns[1:]:
            result.complains(pattern)

    def test_refused_by_name(self):
        def layer(class_name, **config):
            return {"class_name": class_name, "config": {"name": "l" + class_name, "trainable": True, **config}}

        first = layer("Dense", output_dim=3, batch_input_shape=[None, 2], init="uniform", activation="linear")
        self.refused([first, layer("BatchNormalization", mode=1, axis=-1), layer("SReLU"), layer("ParametricSoftplus")],
                     r"m\.json: layer 'lBatchNormalization' \(BatchNormalization\): has mode 1, which later versions of Keras do not have",
                     r"layer 'lSReLU' \(SReLU\): is a layer that later versions of Keras do not have",
                     r"layer 'lParametricSoftplus' \(ParametricSoftplus\): is a layer that later versions")
        self.refused([first, layer("Lambda", function="x", function_type="function")], r"layer 'lLambda' \(Lambda\): is Python code")
        code = layer("Merge", mode="lambda x: x", mode_type="lambda",
                     layers=[{"class_name": "Sequential", "config": [first]}, {"class_name": "Sequential", "config": [
                         layer("Dense", output_dim=3, batch_input_shape=[None, 2]) | {"config": {"name": "d", "output_dim": 3, "batch_input_shape": [None, 2]}}]}])
        self.refused([code], r"layer 'lMerge' \(Merge\): has a mode that is Python code")
        self.refused([first, layer("Highway", init="uniform", activation="linear", bias=True)],
                     r"layer 'lHighway' \(Highway\): does not say how wide it is")

    def test_windows_of_theano_that_nothing_else_has(self):
        name = "theano_windows_th"
        data = bytearray((GOLDEN / f"{name}.h5").read_bytes())
        place = data.index(b'"pool_size": [3, 3]')
        data[place:place + 19] = b'"pool_size": [2, 2]'
        self.write("m.h5", bytes(data))
        self.run_dltool("inspect", "m.h5").fails(3, r"layer 'averagepooling2d_.': has border_mode 'same' of Theano, whose windows lie otherwise")

    def test_an_architecture_alone(self):
        shutil.copy(GOLDEN / "series.json", self.folder / "model.json")
        self.run_dltool("convert", "model.json", "out.keras").succeeds()
        self.run_dltool("inspect", "model.json").succeeds()


if __name__ == "__main__":
    main()
