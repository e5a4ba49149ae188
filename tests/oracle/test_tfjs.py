"""Real TF.js 4.22 as the judge: what dltool writes loads in node and predicts what Keras does; what TF.js saves, dltool predicts alike.
Run by .venv-oracle/bin/python; DLTOOL names the binary."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
DLTOOL = os.environ["DLTOOL"]
MODULES = os.environ.get("TFJS_MODULES", str(ROOT / ".venv-oracle/node_modules"))
NODE = str(ROOT / ".venv-oracle/bin/node")
TOLERANCE = 1e-5


def with_hidden_steps(value):
    """Sequences of which some steps are masked."""
    x = np.random.default_rng(2).uniform(-1, 1, (4, 6, 2)).astype("float32")
    x[0, 4:] = x[1, 1:3] = x[3, :2] = value
    x[2, 2, 0] = value
    return [x]


class Judge:
    """One node process for all models."""

    def __init__(self):
        node = NODE if os.path.exists(NODE) else "node"
        self.process = subprocess.Popen([node, str(pathlib.Path(__file__).with_name("tfjs_judge.js"))], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                        env={**os.environ, "TFJS_MODULES": MODULES})

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def tensors(arrays):
    names = {"float32": "float32", "int32": "int32", "bool": "bool"}
    return [{"shape": list(a.shape), "dtype": names[str(a.dtype)], "data": a.reshape(-1).tolist()} for a in arrays]


def arrays_of(reply):
    return [np.array([float(v) for v in o["data"]], "float64").reshape(o["shape"]) for o in reply["outputs"]]


def randomize(model, seed=0):
    """Weights in which no layout mistake can hide."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        value = rng.uniform(-0.7, 0.7, weight.shape)
        if "variance" in weight.path:
            value = np.abs(value) + 0.2
        if weight.path.endswith("count"):
            continue
        weight.assign(value.astype("float32"))
    for layer in model.layers:
        if isinstance(layer, layers.Normalization) and layer.input_mean is None:
            layer.finalize_state()


def samples(model, batch=2, seed=1, high=6):
    rng = np.random.default_rng(seed)
    arrays = []
    for tensor in model.inputs:
        shape = [batch if tensor.shape[0] is None else tensor.shape[0]] + [5 if s is None else s for s in tensor.shape[1:]]
        integers = "int" in str(tensor.dtype)
        arrays.append(rng.integers(0, high, shape).astype("int32") if integers else rng.uniform(-1.5, 1.5, shape).astype("float32"))
    return arrays


def one(layer, *shapes, dtype="float32", **call):
    """A model of one layer."""
    inputs = [keras.Input(s, dtype=dtype) for s in shapes]
    return keras.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0], **call))


def chain(shape, *members, dtype="float32"):
    x = first = keras.Input(shape, dtype=dtype)
    for member in members:
        x = member(x)
    return keras.Model(first, x)


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.judge = Judge()
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="dltool-tfjs-"))

    @classmethod
    def tearDownClass(cls):
        cls.judge.close()
        shutil.rmtree(cls.folder)

    def run_tool(self, *arguments, expect=0):
        done = subprocess.run([DLTOOL, *map(str, arguments)], capture_output=True, text=True, timeout=300)
        if done.returncode != expect:
            raise AssertionError(f"dltool {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def export(self, model, name, *options, expect=0):
        source, target = self.folder / f"{name}.keras", self.folder / f"{name}.tfjs"
        model.save(source)
        shutil.rmtree(target, ignore_errors=True)
        done = self.run_tool("convert", source, target, "--to", "tfjs", *options, expect=expect)
        return target if expect == 0 else done.stderr

    def compare(self, found, expected, name, tolerance=TOLERANCE):
        self.assertEqual(len(found), len(expected), name)
        for f, e in zip(found, expected):
            e = np.asarray(e)
            self.assertEqual(f.shape, e.shape, name)
            np.testing.assert_allclose(f, e, rtol=tolerance, atol=tolerance, err_msg=name)

    def check(self, name, model, batch=2, tolerance=TOLERANCE, inputs=None, high=6):
        randomize(model)
        inputs = inputs or samples(model, batch, high=high)
        expected = model(inputs if len(inputs) > 1 else inputs[0], training=False)
        expected = expected if isinstance(expected, (list, tuple)) else [expected]
        reply = self.judge.ask(load=str(self.export(model, name)), inputs=tensors(inputs))
        self.assertNotIn("error", reply, f"{name}: {reply.get('error')}")
        self.compare(arrays_of(reply), expected, name, tolerance)
        return reply


def layer_cases():
    L = layers
    image, wide, volume, line = (7, 6, 4), (9, 8, 3), (5, 4, 6, 2), (9, 4)
    yield "dense", one(L.Dense(3, activation="relu"), (5,))
    yield "dense_3d", one(L.Dense(3, use_bias=False), (4, 5))
    yield "dense_4d", one(L.Dense(3, activation="softmax"), (2, 3, 5))
    yield "dense_regularized", one(L.Dense(3, kernel_regularizer="l2", bias_regularizer=keras.regularizers.L1(0.1)), (5,))
    yield "dense_orthogonal", one(L.Dense(3, kernel_initializer="lecun_normal", bias_initializer="ones"), (5,))
    for name in ["linear", "relu", "relu6", "elu", "selu", "celu", "gelu", "silu", "softmax", "log_softmax", "sigmoid", "tanh", "softplus",
                 "softsign", "mish", "hard_sigmoid", "hard_silu", "leaky_relu", "log_sigmoid", "hard_tanh", "hard_shrink", "soft_shrink",
                 "tanh_shrink", "sparse_plus", "sparse_sigmoid", "glu"]:
        yield f"activation_{name}", one(L.Activation(name), (3, 8))
        if name != "glu":
            yield f"dense_{name}", one(L.Dense(4, activation=name), (3,))
    for k, config in enumerate([{}, {"max_value": 1.0}, {"negative_slope": 0.2}, {"threshold": 0.5}, {"threshold": 0.3, "max_value": 1.0},
                                {"max_value": 1.0, "negative_slope": 0.1, "threshold": 0.4}, {"negative_slope": 0.1, "max_value": 0.8}]):
        yield f"relu_{k}", one(L.ReLU(**config), (3, 4))
    yield "leaky", one(L.LeakyReLU(negative_slope=0.17), (6,))
    yield "elu_1", one(L.ELU(), (6,))
    yield "elu_2", one(L.ELU(alpha=0.4), (6,))
    yield "prelu", one(L.PReLU(), (3, 4))
    yield "prelu_shared", one(L.PReLU(shared_axes=[1, 2]), image)
    yield "softmax", one(L.Softmax(), (3, 4))
    yield "softmax_1", one(L.Softmax(axis=1), (3, 4))
    yield "softmax_12", one(L.Softmax(axis=[1, 2]), (3, 4, 2))

    # convolutions
    for k, config in enumerate([{}, {"padding": "same"}, {"strides": 2, "padding": "same"}, {"dilation_rate": 2}, {"padding": "causal"},
                                {"padding": "causal", "dilation_rate": 2}, {"groups": 2}, {"activation": "hard_sigmoid"}, {"strides": 3}]):
        yield f"conv1d_{k}", one(L.Conv1D(6, 3, **config), line)
    for k, config in enumerate([{}, {"padding": "same"}, {"strides": 2, "padding": "same"}, {"strides": (2, 1)}, {"dilation_rate": (2, 1)},
                                {"dilation_rate": 2, "padding": "same"}, {"groups": 2}, {"groups": 4}, {"groups": 4, "dilation_rate": 2},
                                {"groups": 4, "strides": 2, "padding": "same"}, {"use_bias": False, "activation": "swish"},
                                {"activation": "softmax"}]):
        yield f"conv2d_{k}", one(L.Conv2D(8, (3, 2), **config), image)
    for k, config in enumerate([{}, {"padding": "same"}, {"strides": 2, "padding": "same"}, {"dilation_rate": 2}, {"groups": 2}]):
        yield f"conv3d_{k}", one(L.Conv3D(4, (2, 3, 2), **config), (6, 7, 5, 2))
    for k, config in enumerate([{}, {"padding": "same"}, {"strides": 2}, {"strides": 2, "padding": "same"}, {"strides": 3, "padding": "same"},
                                {"strides": 3, "output_padding": 1}, {"strides": 3, "padding": "same", "output_padding": 2},
                                {"strides": 4}, {"strides": 4, "padding": "same", "activation": "relu"}]):
        yield f"conv1d_transpose_{k}", one(L.Conv1DTranspose(3, 3, **config), line)
        yield f"conv2d_transpose_{k}", one(L.Conv2DTranspose(3, (3, 2), **config), image)
    yield "conv2d_transpose_k4", one(L.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh"), image)
    yield "conv2d_transpose_k5", one(L.Conv2DTranspose(3, 5, strides=3, padding="same"), image)
    yield "conv2d_transpose_op", one(L.Conv2DTranspose(3, 3, strides=2, padding="same", output_padding=1, activation="hard_silu"), image)
    for k, config in enumerate([{}, {"padding": "same", "strides": 2}, {"strides": 2}, {"strides": 2, "output_padding": 1}]):
        yield f"conv3d_transpose_{k}", one(L.Conv3DTranspose(3, 3, **config), (3, 2, 4, 2))
    for k, config in enumerate([{}, {"padding": "same"}, {"strides": 2, "padding": "same"}, {"depth_multiplier": 2}, {"dilation_rate": 2},
                                {"dilation_rate": 2, "padding": "same", "depth_multiplier": 3}, {"activation": "relu6"}, {"use_bias": False}]):
        yield f"depthwise_{k}", one(L.DepthwiseConv2D(3, **config), image)
        yield f"depthwise1d_{k}", one(L.DepthwiseConv1D(3, **config), line)
        yield f"separable_{k}", one(L.SeparableConv2D(5, 3, **config), image)
        yield f"separable1d_{k}", one(L.SeparableConv1D(5, 3, **config), line)

    # pooling
    for kind in ["Max", "Average"]:
        for k, config in enumerate([{}, {"pool_size": 3, "strides": 2, "padding": "same"}, {"pool_size": 2, "strides": 1},
                                    {"pool_size": 3, "padding": "same"}]):
            yield f"{kind}1d_{k}", one(getattr(L, kind + "Pooling1D")(**{"pool_size": 2, **config}), line)
            yield f"{kind}2d_{k}", one(getattr(L, kind + "Pooling2D")(**{"pool_size": 2, **config}), image)
            yield f"{kind}3d_{k}", one(getattr(L, kind + "Pooling3D")(**{"pool_size": 2, **config}), volume)
        yield f"{kind}2d_wide", one(getattr(L, kind + "Pooling2D")((3, 2), strides=(1, 2)), image)
        for rank, shape in [(1, line), (2, image), (3, volume)]:
            yield f"global_{kind}{rank}d", one(getattr(L, f"Global{kind}Pooling{rank}D")(), shape)
            yield f"global_{kind}{rank}d_keep", one(getattr(L, f"Global{kind}Pooling{rank}D")(keepdims=True), shape)
    yield "adaptive_average", one(L.AdaptiveAveragePooling2D((3, 4)), image)
    yield "adaptive_average_even", one(L.AdaptiveAveragePooling2D((7, 3)), image)
    yield "adaptive_max_even", one(L.AdaptiveMaxPooling1D(3), line)

    # borders, sizes, shapes
    yield "zero_padding1d", one(L.ZeroPadding1D((1, 2)), line)
    yield "zero_padding2d", one(L.ZeroPadding2D(((1, 2), (0, 3))), image)
    yield "zero_padding3d", one(L.ZeroPadding3D(((1, 2), (0, 3), (2, 1))), volume)
    yield "cropping1d", one(L.Cropping1D((1, 2)), line)
    yield "cropping2d", one(L.Cropping2D(((1, 2), (0, 3))), image)
    yield "cropping3d", one(L.Cropping3D(((1, 2), (0, 3), (2, 1))), volume)
    yield "up_sampling1d", one(L.UpSampling1D(3), line)
    yield "up_sampling2d", one(L.UpSampling2D((2, 3)), image)
    yield "up_sampling2d_bilinear", one(L.UpSampling2D((2, 3), interpolation="bilinear"), image)
    yield "up_sampling3d", one(L.UpSampling3D((2, 1, 3)), volume)
    yield "flatten", one(L.Flatten(), image)
    yield "flatten_2d", one(L.Flatten(), (5,))
    yield "reshape", one(L.Reshape((4, -1)), image)
    yield "permute", one(L.Permute((3, 1, 2)), image)
    yield "repeat_vector", one(L.RepeatVector(3), (5,))
    yield "identity", one(L.Identity(), (5,))
    yield "activity_regularization", one(L.ActivityRegularization(0.1), (5,))

    # normalisation
    yield "batch_norm", one(L.BatchNormalization(epsilon=0.01), image)
    yield "batch_norm_2d", one(L.BatchNormalization(scale=False), (5,))
    yield "batch_norm_3d", one(L.BatchNormalization(center=False), line)
    yield "batch_norm_5d", one(L.BatchNormalization(), volume)
    yield "batch_norm_axis1", one(L.BatchNormalization(axis=1), image)
    yield "batch_norm_axis2", one(L.BatchNormalization(axis=2), volume)
    yield "layer_norm", one(L.LayerNormalization(), line)
    yield "layer_norm_2d", one(L.LayerNormalization(center=False), (6,))
    yield "layer_norm_12", one(L.LayerNormalization(axis=[1, 2]), line)
    yield "layer_norm_23", one(L.LayerNormalization(axis=[2, 3], epsilon=0.01), image)
    yield "layer_norm_1", one(L.LayerNormalization(axis=1), image)
    yield "layer_norm_5d", one(L.LayerNormalization(), volume)
    yield "group_norm", one(L.GroupNormalization(2), image)
    yield "group_norm_all", one(L.GroupNormalization(-1, scale=False), line)
    yield "group_norm_1", one(L.GroupNormalization(1, center=False), (4,))
    yield "rms_norm", one(L.RMSNormalization(), line)
    yield "normalization", one(L.Normalization(mean=[1.0, 2.0, 3.0, 0.5], variance=[4.0, 0.3, 2.0, 1.0]), image)
    yield "normalization_one", one(L.Normalization(axis=None, mean=1.5, variance=4.0), image)
    yield "normalization_invert", one(L.Normalization(mean=[1.0, 2.0], variance=[4.0, 0.3], invert=True), (2,))
    yield "normalization_stored", one(L.Normalization(axis=(1, 3)), image)

    # random layers do nothing here
    yield "dropout", one(L.Dropout(0.5), (5,))
    yield "dropout_noise", one(L.Dropout(0.5, noise_shape=(None, 1, 4)), line)
    for rank, shape in [(1, line), (2, image), (3, volume)]:
        yield f"spatial_dropout{rank}", one(getattr(L, f"SpatialDropout{rank}D")(0.3), shape)
    yield "gaussian", one(L.GaussianNoise(0.3), (5,))
    yield "gaussian_dropout", one(L.GaussianDropout(0.3), (5,))
    yield "alpha_dropout", one(L.AlphaDropout(0.3), (5,))

    # merging
    for kind in ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"]:
        yield f"merge_{kind}", one(getattr(L, kind)(), (4, 3), (4, 3))
        yield f"merge_{kind}_broadcast", one(getattr(L, kind)(), (4, 3), (1, 3))
        if kind != "Subtract":
            yield f"merge_{kind}_three", one(getattr(L, kind)(), (4, 3), (4, 3), (4, 3))
    yield "merge_rank", one(L.Add(), (4, 3), (3,))
    yield "concat", one(L.Concatenate(), (4, 3), (4, 2))
    yield "concat_1", one(L.Concatenate(axis=1), (4, 3), (2, 3))
    yield "concat_minus2", one(L.Concatenate(axis=-2), (4, 3), (2, 3))
    yield "dot_1", one(L.Dot(1), (4,), (4,))
    yield "dot_21", one(L.Dot((2, 1)), (4, 3), (3, 2))
    yield "dot_2", one(L.Dot(2), (4, 3), (5, 3))
    yield "dot_11", one(L.Dot(1), (4, 3), (4, 5))
    yield "dot_negative", one(L.Dot(-1), (4, 3), (5, 3))
    yield "dot_normalize", one(L.Dot(-1, normalize=True), (4, 3), (5, 3))

    # embeddings, scaling
    yield "embedding", one(L.Embedding(6, 3), (4,), dtype="int32")
    yield "embedding_2d", one(L.Embedding(6, 3), (4, 2), dtype="int32")
    yield "rescaling", one(L.Rescaling(1 / 127.5, offset=-1), image)
    yield "rescaling_int", one(L.Rescaling(0.1), (4,), dtype="int32")
    yield "rescaling_channels", one(L.Rescaling([0.1, 0.2, 0.3, 0.4], offset=[1.0, 2.0, 3.0, 4.0]), image)

    # recurrent
    for kind in ["SimpleRNN", "LSTM", "GRU"]:
        more = {"reset_after": False} if kind == "GRU" else {}
        layer = getattr(L, kind)
        for k, config in enumerate([{}, {"return_sequences": True}, {"return_state": True}, {"return_sequences": True, "return_state": True},
                                    {"go_backwards": True, "return_sequences": True}, {"use_bias": False}, {"go_backwards": True},
                                    {"activation": "relu"}, {"dropout": 0.2, "kernel_regularizer": "l1"}]):
            yield f"{kind}_{k}", one(layer(3, **config, **more), (5, 2))
            if kind == "GRU" and "activation" not in config:
                yield f"gru_after_{k}", one(layer(3, **config), (5, 2))
        if kind != "SimpleRNN":
            yield f"{kind}_hard", one(layer(3, recurrent_activation="hard_sigmoid", **more), (5, 2))
        else:
            yield f"{kind}_hard", one(layer(3, activation="hard_sigmoid"), (5, 2))
        for k, config in enumerate([{}, {"return_sequences": True}, {"return_sequences": True, "return_state": True}]):
            for mode in ["concat", "sum", "ave", "mul", None]:
                if mode is None and k == 2:
                    continue
                yield f"bidirectional_{kind}_{k}_{mode}", one(L.Bidirectional(layer(2, **config, **more), merge_mode=mode), (4, 3))
                if kind == "GRU" and mode == "concat":
                    yield f"bidirectional_gru_after_{k}", one(L.Bidirectional(layer(2, **config), merge_mode=mode), (4, 3))
    yield "bidirectional_other", one(L.Bidirectional(L.LSTM(2, return_sequences=True),
                                                     backward_layer=L.GRU(2, return_sequences=True, go_backwards=True)), (4, 3))
    yield "rnn_cell", one(L.RNN(L.LSTMCell(3), return_sequences=True), (4, 2))
    yield "rnn_gru_cell", one(L.RNN(L.GRUCell(3)), (4, 2))
    yield "rnn_stacked", one(L.RNN([L.LSTMCell(3), L.SimpleRNNCell(2), L.LSTMCell(4)], return_sequences=True), (4, 2))
    yield "rnn_stacked_back", one(L.RNN([L.LSTMCell(3), L.LSTMCell(4)], go_backwards=True, return_sequences=True), (4, 2))
    x, h, c = keras.Input((5, 2)), keras.Input((3,)), keras.Input((3,))
    yield "lstm_state", keras.Model([x, h, c], L.LSTM(3, return_sequences=True)(x, initial_state=[h, c]))
    yield "gru_state", keras.Model([x, h], L.GRU(3, reset_after=False)(x, initial_state=h))
    yield "gru_after_state", keras.Model([x, h], L.GRU(3, return_sequences=True)(x, initial_state=h))
    yield "gru_after_back_state", keras.Model([x, h], L.GRU(3, go_backwards=True, return_sequences=True, return_state=True)(x, initial_state=h))
    for name, inner, shape in [("dense", L.Dense(3), (4, 5)), ("conv", L.Conv2D(3, 2), (3, 5, 4, 2)), ("norm", L.BatchNormalization(axis=1), (3, 4, 2)),
                               ("pad", L.ZeroPadding1D(1), (3, 4, 2)), ("lstm", L.LSTM(3), (3, 4, 2)), ("gru", L.GRU(3), (3, 4, 2)),
                               ("hard", L.Dense(3, activation="hard_silu"), (4, 5)), ("flatten", L.Flatten(), (3, 4, 2)),
                               ("twice", L.TimeDistributed(L.Dense(3, activation="hard_sigmoid")), (3, 4, 2)),
                               ("group", L.GroupNormalization(2), (3, 5, 4))]:
        yield f"time_distributed_{name}", one(L.TimeDistributed(inner), shape)

    # attention
    q, v, k = keras.Input((4, 3)), keras.Input((5, 3)), keras.Input((5, 3))
    yield "attention", keras.Model([q, v], L.Attention()([q, v]))
    yield "attention_scale", keras.Model([q, v, k], L.Attention(use_scale=True)([q, v, k]))
    yield "attention_concat", keras.Model([q, v], L.Attention(score_mode="concat", use_scale=True)([q, v]))
    yield "attention_causal", keras.Model([q, v], L.Attention()([q, v], use_causal_mask=True))
    yield "additive", keras.Model([q, v], L.AdditiveAttention()([q, v]))
    yield "additive_plain", keras.Model([q, v], L.AdditiveAttention(use_scale=False)([q, v]))
    yield "mha", keras.Model([q, v], L.MultiHeadAttention(2, 3, value_dim=4)(q, v))
    yield "mha_self", keras.Model(q, L.MultiHeadAttention(3, 2, use_bias=False, output_shape=5)(q, q))
    yield "mha_causal", keras.Model(q, L.MultiHeadAttention(2, 2)(q, q, use_causal_mask=True))
    for k2, (equation, shape, out, bias) in enumerate([("abc,cd->abd", (4, 3), (None, 5), "d"), ("abc,cde->abde", (4, 3), (None, 5, 2), "de"),
                                                       ("abcd,cde->abe", (4, 3, 2), (None, 5), None), ("ab,bc->ac", (3,), 5, "c"),
                                                       ("...x,xy->...y", (4, 3), 5, "y"), ("abc,bd->acd", (4, 3), (3, 5), "d")]):
        yield f"einsum_{k2}", one(L.EinsumDense(equation, out, bias_axes=bias, activation="relu"), shape)


def expression_cases():
    ops = keras.ops
    x, y = keras.Input((4, 3)), keras.Input((4, 3))
    for name, value in {
        "affine": x / 127.5 - 1.0, "reverse": 2.0 - x, "mixed": (x + y) * 0.5 - x * y, "square": x * x + ops.square(y), "power": x ** 3,
        "relu6": ops.relu6(x + 3.0) * (1.0 / 6.0), "swish": x * ops.sigmoid(1.702 * x), "abs": ops.abs(x) - y, "clip": ops.clip(x, -0.5, 0.8),
        "limits": ops.maximum(x, 0.25) + ops.minimum(y, 0.1), "larger": ops.maximum(x, y), "tanh": ops.tanh(x) * 0.5,
        "mean": ops.mean(x, axis=1), "mean_keep": x - ops.mean(x, axis=-1, keepdims=True), "sum": ops.sum(x, axis=[1, 2]), "max": ops.max(x, axis=2),
        "expand": ops.expand_dims(x, 2) * 2.0, "concat": ops.concatenate([x, y], axis=1), "softmax": ops.softmax(x, axis=-1),
        "first": x[:, 0], "last": x[:, -1], "part": x[:, 1:3] * 2.0, "steps": x[:, ::2, 1:], "transpose": ops.transpose(x, (0, 2, 1)),
        "matmul": ops.matmul(x, ops.transpose(y, (0, 2, 1))), "squeeze": ops.squeeze(x[:, :, :1], -1),
    }.items():
        yield f"expression_{name}", keras.Model([x, y], [value, y * 1.0])


def masked_cases():
    L = layers
    for kind in ["LSTM", "SimpleRNN"]:
        layer = getattr(L, kind)
        yield f"masked_{kind}", chain((6,), L.Embedding(6, 3, mask_zero=True), layer(4), dtype="int32")
        yield f"masked_{kind}_deep", chain((6,), L.Embedding(6, 3, mask_zero=True), L.Dense(3), L.Dropout(0.1), layer(4, return_sequences=True),
                                           L.BatchNormalization(), layer(3), L.Dense(2), dtype="int32")
    embed = lambda: L.Embedding(6, 3, mask_zero=True)  # noqa: E731
    yield "masked_gru_after", chain((6,), embed(), L.GRU(4), L.Dense(2), dtype="int32")
    yield "masked_gru_after_deep", chain((6,), embed(), L.Dense(3), L.GRU(4, return_sequences=True), L.GRU(3, go_backwards=True), dtype="int32")
    yield "masked_gru_after_both", chain((6,), embed(), L.Bidirectional(L.GRU(4, return_sequences=True)), L.Bidirectional(L.GRU(3), merge_mode="sum"),
                                         dtype="int32")
    yield "unused_masking", chain((6, 2), L.Masking(0.5), L.Conv1D(3, 2), L.LSTM(3))
    yield "masked_gru", chain((6,), L.Embedding(6, 3, mask_zero=True), L.GRU(4, reset_after=False), dtype="int32")
    yield "masked_bidirectional", chain((6,), L.Embedding(6, 3, mask_zero=True), L.Bidirectional(L.LSTM(4)), dtype="int32")
    yield "unused_mask", chain((6,), L.Embedding(6, 3, mask_zero=True), L.Dense(3), L.Flatten(), L.Dense(2), dtype="int32")


def networks():
    L = layers
    yield "cnn", chain((12, 11, 3), L.Conv2D(6, 3, padding="same", use_bias=False), L.BatchNormalization(), L.ReLU(), L.MaxPooling2D(),
                       L.Conv2D(8, 3, strides=2, activation="swish"), L.Dropout(0.3), L.Flatten(), L.Dense(5, activation="softmax"))
    x = keras.Input((10, 9, 3))
    a = L.Conv2D(4, 3, padding="same", activation="relu")(x)
    b = L.Conv2D(4, 1)(x)
    y = L.Concatenate()([L.Add()([a, b]), L.Subtract()([a, b])])
    yield "branches", keras.Model(x, [L.GlobalAveragePooling2D()(y), L.Dense(2)(L.Flatten()(y)), a])
    d = L.Dense(4, activation="tanh")
    p, q = keras.Input((4,), name="left"), keras.Input((4,), name="right side")
    yield "siamese", keras.Model([p, q], L.Concatenate()([d(p), d(q), d(d(p))]))
    inner = chain((4,), L.Dense(3, activation="relu"), L.Dense(2))
    yield "nested", keras.Model([p, q], L.Add()([inner(p), inner(q)]))
    yield "output_is_input", keras.Model([p, q], [p, L.Add()([p, q]), q])
    y, h, c = L.LSTM(3, return_state=True)(keras.Input((4, 2), name="steps"))
    yield "lstm_all", keras.Model(y._keras_history.operation.input, [y, h, c, L.Dense(2)(y), L.Dense(2)(h), L.Dense(2)(c)])
    t = L.Dense(4)(p)
    yield "square", keras.Model(p, [L.Multiply()([t, t]), L.Dense(2)(t), L.Activation("sparse_plus")(t)])
    yield "tagger", chain((8,), L.Embedding(20, 6), L.Bidirectional(L.LSTM(5, return_sequences=True)), L.TimeDistributed(L.Dense(4, activation="softmax")),
                          dtype="int32")
    x = keras.Input((16, 16, 3))
    c1 = L.Conv2D(4, 3, padding="same", activation="relu")(x)
    c2 = L.Conv2D(6, 3, padding="same", activation="relu")(L.MaxPooling2D()(c1))
    u = L.Conv2DTranspose(4, 2, strides=2, padding="same")(c2)
    yield "unet", keras.Model(x, L.Conv2D(1, 1, activation="sigmoid")(L.Concatenate()([u, c1])))
    x = keras.Input((6, 8))
    n = L.LayerNormalization(epsilon=1e-6)(x)
    r = L.Add()([x, L.MultiHeadAttention(2, 4)(n, n)])
    f = L.Dense(8)(L.Dense(16, activation="gelu")(L.LayerNormalization(epsilon=1e-6)(r)))
    yield "transformer", keras.Model(x, L.Dense(3)(L.GlobalAveragePooling1D()(L.Add()([r, f]))))
    e = L.Embedding(10, 5)
    s, g = keras.Input((6,), dtype="int32"), keras.Input((4,), dtype="int32")
    _, h, c = L.LSTM(4, return_state=True)(e(s))
    yield "seq2seq", keras.Model([s, g], L.Dense(10, activation="softmax")(L.LSTM(4, return_sequences=True)(e(g), initial_state=[h, c])))
    yield "dynamic_time", chain((None, 3), L.Conv1D(4, 3, padding="causal"), L.GRU(3, return_sequences=True), L.GlobalMaxPooling1D(), L.Dense(2))
    yield "dynamic_image", chain((None, None, 3), L.Conv2D(4, 3, padding="same"), L.GlobalAveragePooling2D(), L.Dense(2))
    yield "fixed_batch", keras.Model(*(lambda i: (i, L.Dense(2)(i)))(keras.Input(batch_shape=(3, 4))))
    yield "mobilenet_v2", keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=7)
    yield "mobilenet_v3", keras.applications.MobileNetV3Small((32, 32, 3), alpha=0.75, weights=None, classes=7)


# Layers as dltool's own text, with its initial weights: where Keras's file is not needed to say what is meant.
TEXTS = {
    "rnn_cell": ("x: {shape: [4, 2]}", "RNN: {cell: {LSTMCell: {units: 3}}, return_sequences: true}"),
    "rnn_gru_cell": ("x: {shape: [4, 2]}", "RNN: {cell: {GRUCell: {units: 3}}, go_backwards: true}"),
    "rnn_stacked": ("x: {shape: [4, 2]}", "RNN: {cell: [{LSTMCell: {units: 3, name: a}}, {SimpleRNNCell: {units: 2}}, {LSTMCell: {units: 4, name: b}}]}"),
    "rnn_stacked_back": ("x: {shape: [5, 2]}", "RNN: {cell: [{LSTMCell: {units: 3}}, {GRUCell: {units: 4}}], go_backwards: true, "
                                               "return_sequences: true}"),
    "mha_window": ("x: {shape: [6, 4]}", "MultiHeadAttention: {num_heads: 2, key_dim: 3, sliding_window: 2}"),
    "gqa": ("x: {shape: [6, 4]}", "GroupQueryAttention: {num_query_heads: 4, num_key_value_heads: 2, head_dim: 3, inputs: [x, x], use_gate: true}"),
    "conv1d_transpose_dilated": ("x: {shape: [6, 4]}", "Conv1DTranspose: {filters: 2, kernel_size: 3, dilation_rate: 2, padding: same}"),
    "conv2d_first": ("x: {shape: [4, 7, 6]}", "Conv2D: {filters: 2, kernel_size: 3, data_format: channels_first, activation: softmax}"),
    "pool_first": ("x: {shape: [4, 7, 6]}", "AveragePooling2D: {pool_size: 3, strides: 2, padding: same, data_format: channels_first}"),
    "global_first": ("x: {shape: [4, 7, 6]}", "GlobalMaxPooling2D: {data_format: channels_first, keepdims: true}"),
    "flatten_first": ("x: {shape: [4, 7, 6]}", "Flatten: {data_format: channels_first}"),
    "up_first": ("x: {shape: [4, 7, 6]}", "UpSampling2D: {size: 2, data_format: channels_first, interpolation: bilinear}"),
    "depthwise_first": ("x: {shape: [4, 7, 6]}", "DepthwiseConv2D: {kernel_size: 3, data_format: channels_first, padding: same}"),
    "transpose_first": ("x: {shape: [4, 7, 6]}", "Conv2DTranspose: {filters: 3, kernel_size: 3, strides: 2, data_format: channels_first}"),
}


class Layers(Case):
    def test_texts(self):
        for name, (given, layer) in TEXTS.items():
            with self.subTest(name):
                source, target = self.folder / f"text_{name}.yaml", self.folder / f"text_{name}.tfjs"
                source.write_text(f"inputs: {{{given}}}\nlayers:\n  - {layer}\n")
                self.run_tool("convert", source, target)
                reply = self.predict_both(target, [np.random.default_rng(3).uniform(-1, 1, (2, *json.loads(given[given.index("["):-1]))).astype("float32")])
                self.assertGreater(np.std(arrays_of(reply)[0]), 0)

    def predict_both(self, folder, inputs, reply=None, tolerance=TOLERANCE):
        """TF.js and dltool, from the same folder."""
        reply = reply or self.judge.ask(load=str(folder), inputs=tensors(inputs))
        self.assertNotIn("error", reply, f"{folder.name}: {reply.get('error')}")
        np.savez(self.folder / "in.npz", **{f"x{i}": x for i, x in enumerate(inputs)})
        self.run_tool("predict", folder, "--inputs", self.folder / "in.npz", "--outputs", self.folder / "out.npz")
        found = np.load(self.folder / "out.npz")
        self.compare([found[k] for k in found.files], arrays_of(reply), folder.name, tolerance)
        return reply

    def test_layers(self):
        for name, model in layer_cases():
            with self.subTest(name):
                self.check(name, model)

    def test_expressions(self):
        for name, model in expression_cases():
            with self.subTest(name):
                self.check(name, model)

    def test_masks(self):
        for name, model in masked_cases():
            with self.subTest(name):
                self.check(name, model, batch=4, high=4)
        for name, layer in [("gru", layers.GRU(3)), ("sequences", layers.GRU(3, return_sequences=True)), ("lstm", layers.LSTM(3)),
                            ("both", layers.Bidirectional(layers.GRU(2, return_sequences=True))), ("rnn", layers.SimpleRNN(2))]:
            with self.subTest(f"masking_{name}"):
                self.check(f"masking_{name}", chain((6, 2), layers.Masking(0.5), layer), inputs=with_hidden_steps(0.5))

    def test_networks(self):
        for name, model in networks():
            with self.subTest(name):
                self.check(name, model, batch=3 if name == "fixed_batch" else 2)

    def test_shards_and_halves(self):
        model = chain((600,), layers.Dense(1000), layers.Dense(1200, activation="tanh"), layers.Dense(2))
        self.check("large", model, tolerance=1e-4)
        self.assertEqual(sorted(p.name for p in (self.folder / "large.tfjs").iterdir()),
                         ["group1-shard1of2.bin", "group1-shard2of2.bin", "model.json"])
        folder = self.export(model, "halves", "--half", "--no-verify")
        self.assertLess(sum(p.stat().st_size for p in folder.glob("*.bin")), 0.51 * 4 * model.count_params())
        self.predict_both(folder, samples(model), tolerance=1e-4)


# Models made in JavaScript: what TF.js saves, dltool reads.
SCRIPTS = {
    "mlp": ("return tf.sequential({layers: [tf.layers.dense({units: 4, inputShape: [3], activation: 'relu'}), "
            "tf.layers.leakyReLU(), tf.layers.dropout({rate: 0.3}), tf.layers.dense({units: 2, activation: 'softmax'})]});", [(3,)]),
    "cnn": ("return tf.sequential({layers: [tf.layers.conv2d({filters: 4, kernelSize: 3, inputShape: [8, 7, 2], activation: 'elu'}), "
            "tf.layers.batchNormalization(), tf.layers.maxPooling2d({poolSize: 2}), "
            "tf.layers.separableConv2d({filters: 3, kernelSize: 2, padding: 'same'}), "
            "tf.layers.depthwiseConv2d({kernelSize: 2, depthMultiplier: 2, padding: 'same', activation: 'hardSigmoid'}), "
            "tf.layers.upSampling2d({size: [2, 2]}), tf.layers.zeroPadding2d({padding: [[1, 0], [2, 1]]}), "
            "tf.layers.conv2dTranspose({filters: 2, kernelSize: 3, strides: 2}), tf.layers.flatten(), tf.layers.dense({units: 2})]});",
            [(8, 7, 2)]),
    "defaults": ("return tf.sequential({layers: [tf.layers.lstm({units: 3, inputShape: [5, 2], returnSequences: true}), "
                 "tf.layers.gru({units: 4, returnSequences: true}), tf.layers.simpleRNN({units: 2, goBackwards: true})]});", [(5, 2)]),
    "bidirectional": ("return tf.sequential({layers: [tf.layers.bidirectional({layer: tf.layers.lstm({units: 3, returnSequences: true}), "
                      "mergeMode: 'concat', inputShape: [5, 2]}), tf.layers.timeDistributed({layer: tf.layers.dense({units: 2})}), "
                      "tf.layers.bidirectional({layer: tf.layers.gru({units: 2}), mergeMode: 'sum'})]});", [(5, 2)]),
    "cells": ("return tf.sequential({layers: [tf.layers.rnn({cell: tf.layers.gruCell({units: 3}), inputShape: [4, 2], returnSequences: true}), "
              "tf.layers.rnn({cell: [tf.layers.lstmCell({units: 3}), tf.layers.simpleRNNCell({units: 2})]})]});", [(4, 2)]),
    "graph": ("const a = tf.input({shape: [4]}), b = tf.input({shape: [4]}); const d = tf.layers.dense({units: 4, name: 'shared'}); "
              "const x = tf.layers.add().apply([d.apply(a), d.apply(b)]); const y = tf.layers.concatenate().apply([x, a]); "
              "const z = tf.layers.dot({axes: 1}).apply([a, b]); const m = tf.layers.maximum().apply([a, b]); "
              "return tf.model({inputs: [a, b], outputs: [tf.layers.thresholdedReLU({theta: 0.2}).apply(y), z, "
              "tf.layers.layerNormalization().apply(m)]});", [(4,), (4,)]),
    "nested": ("const inner = tf.sequential({layers: [tf.layers.dense({units: 3, inputShape: [4], activation: 'tanh'}), "
               "tf.layers.dense({units: 2})]}); const a = tf.input({shape: [4]}); "
               "return tf.model({inputs: a, outputs: tf.layers.dense({units: 2}).apply(inner.apply(a))});", [(4,)]),
    "volume": ("return tf.sequential({layers: [tf.layers.conv3d({filters: 2, kernelSize: 2, inputShape: [4, 5, 4, 2]}), "
               "tf.layers.maxPooling3d({poolSize: [1, 2, 1]}), tf.layers.reshape({targetShape: [9, -1]}), tf.layers.permute({dims: [2, 1]}), "
               "tf.layers.conv1d({filters: 2, kernelSize: 2, strides: 2, useBias: false}), tf.layers.averagePooling1d({poolSize: 2}), "
               "tf.layers.globalMaxPooling1d(), tf.layers.repeatVector({n: 3}), tf.layers.prelu({sharedAxes: [1]})]});", [(4, 5, 4, 2)]),
    "initializers": ("return tf.sequential({layers: [tf.layers.dense({units: 4, inputShape: [3], kernelInitializer: 'leCunNormal', "
                     "biasInitializer: 'ones', kernelRegularizer: tf.regularizers.l1l2({l1: 0.1, l2: 0.2}), activation: 'gelu'}), "
                     "tf.layers.dense({units: 3, kernelInitializer: tf.initializers.varianceScaling({scale: 2, mode: 'fanIn', "
                     "distribution: 'normal'}), activation: 'mish'}), tf.layers.dense({units: 2, activation: 'swish'})]});", [(3,)]),
    "embedding": ("return tf.sequential({layers: [tf.layers.embedding({inputDim: 6, outputDim: 3, inputLength: 4, maskZero: true}), "
                  "tf.layers.lstm({units: 3, recurrentActivation: 'sigmoid'}), tf.layers.dense({units: 2})]});", "int32"),
    "state": ("const a = tf.input({shape: [4, 2]}), h = tf.input({shape: [3]}), c = tf.input({shape: [3]}); "
              "const y = tf.layers.lstm({units: 3, returnSequences: true, returnState: true}).apply([a, h, c]); "
              "return tf.model({inputs: [a, h, c], outputs: [y[0], y[2]]});", [(4, 2), (3,), (3,)]),
}


class Saved(Layers):
    test_texts = test_layers = test_masks = test_networks = test_expressions = test_shards_and_halves = None

    def inputs_of(self, shapes):
        rng = np.random.default_rng(5)
        if shapes == "int32":
            return [rng.integers(0, 6, (3, 4)).astype("int32")]
        return [rng.uniform(-1, 1, (3, *s)).astype("float32") for s in shapes]

    def save(self, name):
        script, shapes = SCRIPTS[name]
        inputs, folder = self.inputs_of(shapes), self.folder / f"{name}-saved"
        reply = self.judge.ask(build=script, save=str(folder), inputs=tensors(inputs))
        self.assertNotIn("error", reply, f"{name}: {reply.get('error')}")
        return folder, inputs, reply

    def test_saved_by_tfjs(self):
        for name in SCRIPTS:
            with self.subTest(name):
                self.predict_both(*self.save(name))

    def test_written_again(self):
        for name in SCRIPTS:
            with self.subTest(name):
                folder, inputs, expected = self.save(name)
                again = self.folder / f"{name}-again"
                self.run_tool("convert", folder, again, "--to", "tfjs")
                reply = self.judge.ask(load=str(again), inputs=tensors(inputs))
                self.assertNotIn("error", reply, f"{name}: {reply.get('error')}")
                self.compare(arrays_of(reply), arrays_of(expected), name)

    def test_quantized(self):
        """By the formulas of tfjs-converter: each weight with a scale and minimum of its own, or as float16."""
        for kind, levels in [("uint8", 255), ("uint16", 65535), ("float16", 0)]:
            with self.subTest(kind):
                folder, inputs, _ = self.save("cnn")
                root = json.loads((folder / "model.json").read_text())
                data, at, out = (folder / "weights.bin").read_bytes(), 0, b""
                for weight in root["weightsManifest"][0]["weights"]:
                    count = int(np.prod(weight["shape"]))
                    values = np.frombuffer(data, "<f4", count, at)
                    at += 4 * count
                    if kind == "float16":
                        weight["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
                        out += values.astype("<f2").tobytes()
                        continue
                    low, high = float(values.min()), float(values.max())
                    scale = (high - low) / levels or 1.0
                    weight["quantization"] = {"dtype": kind, "min": low, "scale": scale, "original_dtype": "float32"}
                    out += np.round((values - low) / scale).astype("<u1" if kind == "uint8" else "<u2").tobytes()
                half = len(out) // 2 + 1
                (folder / "group1-shard1of2.bin").write_bytes(out[:half])
                (folder / "group1-shard2of2.bin").write_bytes(out[half:])
                root["weightsManifest"][0]["paths"] = ["group1-shard1of2.bin", "group1-shard2of2.bin"]
                (folder / "model.json").write_text(json.dumps(root))
                self.predict_both(folder, inputs)


if __name__ == "__main__":
    unittest.main()
