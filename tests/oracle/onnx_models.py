"""Models of every layer class, as the YAML (here: JSON) that dltool reads, with weights that are never symmetric.

Who uses it: test_onnx_export.py. `cases()` gives Case objects; a layer is {"Class": {key: value}}."""

import dataclasses


@dataclasses.dataclass
class Case:
    name: str
    inputs: dict  # name -> shape without batch, or the map of a model file
    layers: list
    outputs: list | None = None
    draw: dict = dataclasses.field(default_factory=dict)  # input name -> function of (generator, shape)
    refused: str = ""  # part of the message, where ONNX has no operator for it
    below: int = 99  # only below this opset
    tolerance: float = 1e-5
    masked: bool = False

    def yaml(self):
        inputs = {name: shape if isinstance(shape, dict) else {"shape": list(shape)} for name, shape in self.inputs.items()}
        tree = {"inputs": inputs, "layers": [randomized(layer) for layer in self.layers]}
        if self.outputs:
            tree["outputs"] = self.outputs
        return tree


def uniform(low, high):
    return {"RandomUniform": {"minval": low, "maxval": high}}


BIAS = {"bias_initializer": uniform(-0.5, 0.5)}
SCALES = {"gamma_initializer": uniform(0.5, 1.5), "beta_initializer": uniform(-0.5, 0.5)}
WEIGHTS = {
    **{name: BIAS for name in (
        "Dense", "EinsumDense", "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose", "DepthwiseConv1D",
        "DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D", "LSTM", "GRU", "SimpleRNN", "LSTMCell", "GRUCell", "SimpleRNNCell",
        "MultiHeadAttention", "GroupQueryAttention")},
    "BatchNormalization": {**SCALES, "moving_mean_initializer": uniform(-0.5, 0.5), "moving_variance_initializer": uniform(0.3, 2.0)},
    "LayerNormalization": SCALES,
    "GroupNormalization": SCALES,
    "PReLU": {"alpha_initializer": uniform(0.05, 0.5)},
    "LSTM": {**BIAS, "unit_forget_bias": False},
    "LSTMCell": {**BIAS, "unit_forget_bias": False},
}


def randomized(layer):
    """The layer with random initializers where Keras's give zeros or ones, also in the layers inside of it."""
    (kind, config), = layer.items()
    config = dict(config or {})
    for key, value in WEIGHTS.get(kind, {}).items():
        if config.get("use_bias", True) or not key.startswith("bias"):
            config.setdefault(key, value)
    for key in ("layer", "backward_layer", "cell"):
        if isinstance(config.get(key), dict):
            config[key] = randomized(config[key])
        elif isinstance(config.get(key), list):
            config[key] = [randomized(cell) for cell in config[key]]
    if "cells" in config:
        config["cells"] = [randomized(cell) for cell in config["cells"]]
    return {kind: config}


def chain(name, shape, *layers, **more):
    return Case(name, {"x": shape}, list(layers), **more)


def tokens(size):
    return lambda generator, shape: generator.integers(0, size, shape)


def padded(size, lead=False):
    """Rows of tokens padded at the end; with `lead` also at the beginning and in the middle, the last row everywhere."""
    def draw(generator, shape):
        x = generator.integers(1, size, shape)
        for row in range(shape[0]):
            length = int(generator.integers(1, shape[1] + 1))
            x[row, length:] = 0
            if lead and length > 2:
                x[row, 0] = 0
                x[row, length // 2] = 0
        if lead:
            x[-1] = 0
        return x
    return draw


ACTIVATIONS = (
    "linear relu relu6 leaky_relu elu selu celu gelu silu softmax log_softmax sigmoid tanh softplus softsign hard_sigmoid hard_sigmoid_v2 hard_silu "
    "hard_tanh hard_shrink soft_shrink tanh_shrink mish glu log_sigmoid sparse_plus sparse_sigmoid squareplus exponential").split()


def activation_cases():
    for name in ACTIVATIONS:
        yield chain(f"activation-{name}", [5, 6], {"Activation": {"activation": name}})
        yield chain(f"conv-{name}", [6, 5, 3], {"Conv2D": {"filters": 4, "kernel_size": 3, "activation": name}})
    yield chain("activation-gelu-dense", [4], {"Dense": {"units": 6, "activation": "gelu"}}, {"Dense": {"units": 2}})
    yield chain("elu-alpha", [5], {"ELU": {"alpha": 0.3}})
    yield chain("leaky", [5], {"LeakyReLU": {"negative_slope": 0.17}})
    yield chain("relu-max", [5], {"ReLU": {"max_value": 1.5}})
    yield chain("relu-slope-threshold", [5, 7], {"ReLU": {"max_value": 1.5, "negative_slope": 0.1, "threshold": 0.3}})
    yield chain("relu-threshold", [5], {"ReLU": {"threshold": 0.5}})
    yield chain("prelu", [5, 4, 3], {"PReLU": {}})
    yield chain("prelu-shared", [5, 4, 3], {"PReLU": {"shared_axes": [1, 2]}})
    yield chain("prelu-conv-shared", [5, 4, 3], {"Conv2D": {"filters": 4, "kernel_size": 2}}, {"PReLU": {"shared_axes": [1, 2]}})
    yield chain("prelu-conv", [5, 4, 3], {"Conv2D": {"filters": 4, "kernel_size": 2}}, {"PReLU": {}})
    yield chain("softmax-axis", [5, 4], {"Softmax": {"axis": 1}})
    yield chain("softmax-axes", [5, 4, 3], {"Softmax": {"axis": [1, 2]}})
    yield chain("softmax-conv", [6, 5, 3], {"Conv2D": {"filters": 4, "kernel_size": 3, "activation": "softmax"}}, {"Softmax": {"axis": 1}})


def dense_cases():
    yield chain("dense", [7], {"Dense": {"units": 5}})
    yield chain("dense-no-bias", [7], {"Dense": {"units": 5, "use_bias": False}}, {"Dense": {"units": 3, "activation": "softmax"}})
    yield chain("dense-one", [1], {"Dense": {"units": 1}})
    yield chain("dense-rank3", [4, 7], {"Dense": {"units": 5, "activation": "tanh"}})
    yield chain("dense-rank4", [3, 4, 7], {"Dense": {"units": 5}})
    yield chain("einsum-dense", [4, 7], {"EinsumDense": {"equation": "abc,cde->abde", "output_shape": [None, 2, 3], "bias_axes": "de"}})
    yield chain("einsum-dense-merge", [4, 2, 3], {"EinsumDense": {"equation": "abde,dec->abc", "output_shape": [None, 5], "bias_axes": "c"}})
    yield chain("flatten-dense", [3, 4, 2], {"Flatten": {}}, {"Dense": {"units": 5}})
    yield chain("conv-flatten-dense", [5, 6, 2], {"Conv2D": {"filters": 3, "kernel_size": 2}}, {"Flatten": {}}, {"Dense": {"units": 5}})
    yield Case("embedding", {"x": {"shape": [6], "dtype": "int32"}}, [{"Embedding": {"input_dim": 11, "output_dim": 4}}],
               draw={"x": tokens(11)})
    yield Case("embedding-dense", {"x": {"shape": [6], "dtype": "int64"}},
               [{"Embedding": {"input_dim": 11, "output_dim": 4}}, {"GlobalAveragePooling1D": {}}, {"Dense": {"units": 2}}],
               draw={"x": tokens(11)})


def convolution_cases():
    for padding in ("valid", "same"):
        for kernel, stride, dilation in ((1, 1, 1), (3, 1, 1), (3, 2, 1), (2, 3, 1), (3, 1, 2), (4, 2, 1), (5, 1, 1)):
            common = {"padding": padding}
            tag = f"{padding}-{kernel}-{stride}-{dilation}"
            steps = {"strides": stride} if stride > 1 else {"dilation_rate": dilation}
            yield chain(f"conv2d-{tag}", [10, 11, 3], {"Conv2D": {"filters": 4, "kernel_size": kernel, **common, **steps}})
            yield chain(f"depthwise-{tag}", [10, 11, 3],
                        {"DepthwiseConv2D": {"kernel_size": kernel, "depth_multiplier": 2, **common, **steps}})
            yield chain(f"conv1d-{tag}", [10, 3], {"Conv1D": {"filters": 4, "kernel_size": kernel, **common, **steps}})
            if dilation == 1:
                yield chain(f"transpose2d-{tag}", [5, 6, 3], {"Conv2DTranspose": {"filters": 4, "kernel_size": kernel, **common, **steps}})
                yield chain(f"transpose1d-{tag}", [5, 3], {"Conv1DTranspose": {"filters": 4, "kernel_size": kernel, **common, **steps}})
                yield chain(f"max-{tag}", [10, 11, 3], {"MaxPooling2D": {"pool_size": kernel, "strides": stride, **common}})
                yield chain(f"average-{tag}", [10, 11, 3], {"AveragePooling2D": {"pool_size": kernel, "strides": stride, **common}})
    yield chain("conv2d-rect", [9, 12, 3], {"Conv2D": {"filters": 4, "kernel_size": [2, 3], "strides": [1, 2], "padding": "same"}})
    yield chain("conv2d-groups", [6, 7, 4], {"Conv2D": {"filters": 6, "kernel_size": 3, "groups": 2, "use_bias": False}})
    yield chain("conv2d-first", [3, 8, 9], {"Conv2D": {"filters": 4, "kernel_size": 3, "data_format": "channels_first"}},
                {"MaxPooling2D": {"pool_size": 2, "data_format": "channels_first"}}, {"Flatten": {"data_format": "channels_first"}})
    yield chain("conv1d-causal", [9, 3], {"Conv1D": {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}})
    yield chain("conv1d-causal-stride", [9, 3], {"Conv1D": {"filters": 4, "kernel_size": 3, "padding": "causal", "strides": 2}})
    yield chain("conv1d-groups", [9, 4], {"Conv1D": {"filters": 4, "kernel_size": 3, "groups": 2}})
    yield chain("conv3d", [5, 6, 7, 2], {"Conv3D": {"filters": 3, "kernel_size": 2, "strides": [1, 2, 1], "padding": "same"}})
    yield chain("conv3d-dilated", [6, 6, 7, 2], {"Conv3D": {"filters": 3, "kernel_size": 2, "dilation_rate": 2}})
    yield chain("transpose3d", [3, 4, 3, 2], {"Conv3DTranspose": {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}})
    yield chain("transpose2d-output-padding", [4, 5, 3],
                {"Conv2DTranspose": {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 1}})
    yield chain("transpose2d-dilated", [4, 5, 3], {"Conv2DTranspose": {"filters": 2, "kernel_size": 3, "dilation_rate": 2}})
    yield chain("transpose2d-relu", [4, 5, 3], {"Conv2DTranspose": {"filters": 2, "kernel_size": 4, "strides": 2, "activation": "relu"}})
    yield chain("depthwise1d", [9, 3], {"DepthwiseConv1D": {"kernel_size": 3, "depth_multiplier": 2, "padding": "same", "strides": 2}})
    yield chain("separable1d", [9, 3], {"SeparableConv1D": {"filters": 4, "kernel_size": 3, "depth_multiplier": 2}})
    yield chain("separable2d", [9, 8, 3], {"SeparableConv2D": {"filters": 4, "kernel_size": 3, "depth_multiplier": 2, "padding": "same",
                                                             "strides": 2, "activation": "relu"}})


def pooling_cases():
    shapes = {1: [9, 3], 2: [9, 8, 3], 3: [7, 6, 5, 2]}
    for rank, shape in shapes.items():
        for kind in ("Max", "Average"):
            yield chain(f"{kind}{rank}d".lower(), shape, {f"{kind}Pooling{rank}D": {"pool_size": 3, "strides": 2, "padding": "same"}})
            yield chain(f"global-{kind}{rank}d".lower(), shape, {f"Global{kind}Pooling{rank}D": {}})
            yield chain(f"global-{kind}{rank}d-keep".lower(), shape, {f"Global{kind}Pooling{rank}D": {"keepdims": True}})
            yield chain(f"global-{kind}{rank}d-conv".lower(), shape, {f"Conv{rank}D": {"filters": 3, "kernel_size": 2}},
                        {f"Global{kind}Pooling{rank}D": {}}, {"Dense": {"units": 2}})
            yield chain(f"adaptive-{kind}{rank}d".lower(), shape, {f"Adaptive{kind}Pooling{rank}D": {"output_size": 2}})
        yield chain(f"crop{rank}d", shape, {f"Cropping{rank}D": {"cropping": [[1, 2]] * rank if rank > 1 else [1, 2]}})
        yield chain(f"pad{rank}d", shape, {f"ZeroPadding{rank}D": {"padding": [[1, 2]] * rank if rank > 1 else [1, 2]}})
        yield chain(f"up{rank}d", shape, {f"UpSampling{rank}D": {"size": 3}})
        yield chain(f"spatial-dropout{rank}d", shape, {f"SpatialDropout{rank}D": {"rate": 0.4}})
        yield chain(f"conv-all{rank}d", shape, {f"ZeroPadding{rank}D": {"padding": 2}}, {f"Conv{rank}D": {"filters": 4, "kernel_size": 3}},
                    {f"Cropping{rank}D": {"cropping": 1}}, {f"UpSampling{rank}D": {"size": 2}}, {f"Conv{rank}D": {"filters": 2, "kernel_size": 2}})
    yield chain("up2d-bilinear", [4, 5, 3], {"UpSampling2D": {"size": [2, 3], "interpolation": "bilinear"}})
    yield chain("up2d-bilinear-conv", [6, 7, 3], {"Conv2D": {"filters": 2, "kernel_size": 3}},
                {"UpSampling2D": {"size": 2, "interpolation": "bilinear"}}, {"Conv2D": {"filters": 2, "kernel_size": 3}})
    yield chain("up2d-mixed", [4, 5, 3], {"UpSampling2D": {"size": [1, 3]}})
    yield chain("pad-max", [8, 8, 2], {"ZeroPadding2D": {"padding": 1}}, {"MaxPooling2D": {"pool_size": 3, "strides": 2}})
    yield chain("pad-asym-conv", [8, 8, 2], {"ZeroPadding2D": {"padding": [[0, 1], [0, 1]]}},
                {"Conv2D": {"filters": 3, "kernel_size": 3, "strides": 2}}, {"BatchNormalization": {}}, {"ReLU": {"max_value": 6}})


def normalisation_cases():
    for name, shape in (("2", [5]), ("3", [4, 5]), ("4", [3, 4, 5]), ("5", [2, 3, 4, 5])):
        yield chain(f"batchnorm-{name}", shape, {"BatchNormalization": {"epsilon": 0.01}})
        yield chain(f"layernorm-{name}", shape, {"LayerNormalization": {"epsilon": 0.01}})
        yield chain(f"rms-{name}", shape, {"RMSNormalization": {}})
        yield chain(f"unit-{name}", shape, {"UnitNormalization": {}})
    yield chain("batchnorm-axis1", [3, 4, 5], {"BatchNormalization": {"axis": 1}})
    yield chain("batchnorm-plain", [3, 4, 5], {"BatchNormalization": {"scale": False, "center": False}})
    yield chain("batchnorm-conv", [6, 7, 3], {"Conv2D": {"filters": 4, "kernel_size": 3, "use_bias": False}},
                {"BatchNormalization": {"scale": False}}, {"Activation": {"activation": "relu"}})
    yield chain("batchnorm-dense", [6], {"Dense": {"units": 4}}, {"BatchNormalization": {}}, {"Dense": {"units": 3}})
    yield chain("layernorm-axes", [3, 4, 5], {"LayerNormalization": {"axis": [2, 3]}})
    yield chain("layernorm-first", [3, 4, 5], {"LayerNormalization": {"axis": 1}})
    yield chain("layernorm-plain", [4, 5], {"LayerNormalization": {"scale": False, "center": False}})
    yield chain("layernorm-center", [4, 5], {"LayerNormalization": {"scale": False}})
    yield chain("layernorm-conv", [6, 7, 3], {"Conv2D": {"filters": 4, "kernel_size": 3}}, {"LayerNormalization": {}},
                {"Conv2D": {"filters": 4, "kernel_size": 3}})
    yield chain("groupnorm", [6, 7, 4], {"GroupNormalization": {"groups": 2}})
    yield chain("groupnorm-instance", [6, 7, 4], {"Conv2D": {"filters": 4, "kernel_size": 3}}, {"GroupNormalization": {"groups": -1}})
    yield chain("groupnorm-1d", [6, 4], {"GroupNormalization": {"groups": 1, "scale": False}})
    yield chain("unit-axes", [3, 4, 5], {"UnitNormalization": {"axis": [1, 2]}})
    yield chain("normalization", [3], {"Normalization": {"mean": [1.0, 2.0, -0.5], "variance": [1.0, 0.25, 3.0]}})
    yield chain("normalization-invert", [4, 3], {"Normalization": {"mean": [1.0, 2.0, -0.5], "variance": [1.0, 0.25, 3.0], "invert": True}})
    yield chain("rescaling", [4, 5, 3], {"Rescaling": {"scale": 0.007, "offset": -1}})
    yield chain("rescaling-channels", [4, 5, 3], {"Rescaling": {"scale": [0.1, 0.2, 0.3], "offset": [1, 2, 3]}})


def recurrent_cases():
    yield chain("conv-lstm1d", [3, 7, 2], {"ConvLSTM1D": {"filters": 3, "kernel_size": 3, "padding": "same", "return_sequences": True}})
    yield chain("conv-lstm2d", [3, 4, 5, 2], {"ConvLSTM2D": {"filters": 2, "kernel_size": [2, 3], "go_backwards": True}})
    yield chain("conv-lstm2d-strides", [2, 6, 5, 2], {"ConvLSTM2D": {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same"}},
                {"Conv2D": {"filters": 2, "kernel_size": 2}})
    yield chain("conv-lstm3d", [2, 3, 4, 3, 1], {"ConvLSTM3D": {"filters": 2, "kernel_size": 2}})
    for kind in ("LSTM", "GRU", "SimpleRNN"):
        k = kind.lower()
        yield chain(f"{k}", [6, 3], {kind: {"units": 4}})
        yield chain(f"{k}-sequences", [6, 3], {kind: {"units": 4, "return_sequences": True}})
        yield chain(f"{k}-backwards", [6, 3], {kind: {"units": 4, "return_sequences": True, "go_backwards": True}})
        yield chain(f"{k}-backwards-last", [6, 3], {kind: {"units": 4, "go_backwards": True}})
        yield chain(f"{k}-no-bias", [6, 3], {kind: {"units": 4, "use_bias": False}})
        yield chain(f"{k}-relu", [6, 3], {kind: {"units": 4, "activation": "relu"}})
        yield chain(f"{k}-stack", [6, 3], {kind: {"units": 4, "return_sequences": True}}, {kind: {"units": 5}}, {"Dense": {"units": 2}})
        yield Case(f"{k}-states", {"x": [6, 3]}, [{kind: {"name": "r", "units": 4, "return_state": True, "return_sequences": True}}],
                   ["r", "r:1"] if kind != "LSTM" else ["r", "r:1", "r:2"])
        for merge in ("concat", "sum", "mul", "ave"):
            for sequences in (False, True):
                yield chain(f"bi-{k}-{merge}-{sequences}".lower(), [6, 3],
                            {"Bidirectional": {"layer": {kind: {"units": 4, "return_sequences": sequences}}, "merge_mode": merge}})
        yield chain(f"bi-{k}-open", [None, 3], {"Bidirectional": {"layer": {kind: {"units": 4, "return_sequences": True}}}},
                    {"Dense": {"units": 3, "activation": "softmax"}}) if kind != "SimpleRNN" else chain(f"{k}-5", [5, 3], {kind: {"units": 2}})
        for mode in ("same", "lead"):
            for sequences in (False, True):
                yield Case(f"{k}-mask-{mode}-{sequences}".lower(), {"x": {"shape": [6], "dtype": "int32"}},
                           [{"Embedding": {"input_dim": 9, "output_dim": 3, "mask_zero": True}},
                            {kind: {"units": 4, "return_sequences": sequences}}],
                           draw={"x": padded(9, mode == "lead")}, masked=True)
            yield Case(f"bi-{k}-mask-{mode}", {"x": {"shape": [6], "dtype": "int32"}},
                       [{"Embedding": {"input_dim": 9, "output_dim": 3, "mask_zero": True}},
                        {"Bidirectional": {"layer": {kind: {"units": 4, "return_sequences": True}}}}, {"Dense": {"units": 3}}],
                       draw={"x": padded(9, mode == "lead")}, masked=True)
        yield Case(f"{k}-mask-backwards", {"x": {"shape": [6], "dtype": "int32"}},
                   [{"Embedding": {"input_dim": 9, "output_dim": 3, "mask_zero": True}},
                    {kind: {"units": 4, "return_sequences": True, "go_backwards": True}}], draw={"x": padded(9, True)}, masked=True)
    yield chain("masking-lstm", [6, 3], {"Masking": {"mask_value": 0.0}}, {"LSTM": {"units": 4, "return_sequences": True}},
                draw={"x": lambda g, s: g.standard_normal(s) * (g.random((*s[:2], 1)) > 0.4)}, masked=True)
    yield chain("gru-reset-before", [6, 3], {"GRU": {"units": 4, "reset_after": False}})
    yield chain("lstm-hard", [6, 3], {"LSTM": {"units": 4, "recurrent_activation": "hard_sigmoid"}})
    yield chain("gru-hard", [6, 3], {"GRU": {"units": 4, "recurrent_activation": "hard_sigmoid", "activation": "softsign"}})
    yield chain("lstm-hard-v2", [None, 3], {"LSTM": {"units": 4, "recurrent_activation": "hard_sigmoid_v2", "return_sequences": True}})
    yield chain("lstm-elu", [6, 3], {"LSTM": {"units": 4, "activation": "elu"}})
    yield chain("lstm-gelu", [6, 3], {"LSTM": {"units": 4, "activation": "gelu"}})
    yield chain("bi-unequal", [6, 3], {"Bidirectional": {"layer": {"LSTM": {"units": 4, "return_sequences": True}},
                                                        "backward_layer": {"GRU": {"units": 4, "return_sequences": True, "go_backwards": True}}}})
    yield chain("rnn-lstm-cell", [6, 3], {"RNN": {"cell": {"LSTMCell": {"units": 4}}, "return_sequences": True}})
    yield chain("rnn-stack", [6, 3], {"RNN": {"cell": [{"LSTMCell": {"units": 4}}, {"GRUCell": {"units": 3}}]}})
    yield Case("lstm-cell", {"x": [3], "h": [4], "c": [4]}, [{"LSTMCell": {"name": "cell", "units": 4, "inputs": ["x", "h", "c"]}}],
               ["cell", "cell:1", "cell:2"])
    yield Case("lstm-initial", {"x": [6, 3], "h": [4], "c": [4]},
               [{"LSTM": {"units": 4, "inputs": ["x", "h", "c"], "return_sequences": True}}])
    yield Case("bi-lstm-initial", {"x": [6, 3], "h": [4], "c": [4], "h2": [4], "c2": [4]},
               [{"Bidirectional": {"layer": {"LSTM": {"units": 4}}, "inputs": ["x", "h", "c", "h2", "c2"]}}])
    yield Case("encoder-decoder", {"source": [6, 3], "target": [4, 2]}, [
        {"LSTM": {"name": "encoder", "units": 5, "return_state": True, "inputs": "source"}},
        {"LSTM": {"name": "decoder", "units": 5, "return_sequences": True, "inputs": ["target", "encoder:1", "encoder:2"]}},
        {"Dense": {"name": "words", "units": 7, "activation": "softmax"}}])
    yield chain("time-distributed", [5, 8, 7, 2], {"TimeDistributed": {"layer": {"Conv2D": {"filters": 3, "kernel_size": 3}}}},
                {"TimeDistributed": {"layer": {"Flatten": {}}}}, {"LSTM": {"units": 3}})
    yield chain("time-distributed-dense", [5, 3], {"TimeDistributed": {"layer": {"Dense": {"units": 4}}}})


def attention_cases():
    yield Case("attention", {"q": [4, 5], "v": [6, 5]}, [{"Attention": {"inputs": ["q", "v"]}}])
    yield Case("attention-scale", {"q": [4, 5], "v": [6, 3], "k": [6, 5]},
               [{"Attention": {"inputs": ["q", "v", "k"], "use_scale": True, "return_attention_scores": True, "name": "a"}}], ["a", "a:1"])
    yield Case("attention-causal", {"q": [4, 5], "v": [4, 5]}, [{"Attention": {"inputs": ["q", "v"], "use_causal_mask": True}}])
    yield Case("attention-concat", {"q": [4, 5], "v": [6, 5]}, [{"Attention": {"inputs": ["q", "v"], "score_mode": "concat"}}])
    yield Case("additive", {"q": [4, 5], "v": [6, 5]}, [{"AdditiveAttention": {"inputs": ["q", "v"]}}])
    yield Case("mha", {"x": [6, 8]}, [{"MultiHeadAttention": {"num_heads": 2, "key_dim": 3, "inputs": ["x", "x"]}}])
    yield Case("mha-cross", {"q": [4, 8], "v": [6, 5], "k": [6, 7]}, [
        {"MultiHeadAttention": {"num_heads": 2, "key_dim": 3, "value_dim": 5, "output_shape": [9], "inputs": ["q", "v", "k"]}}])
    yield Case("mha-causal", {"x": [6, 8]}, [{"MultiHeadAttention": {"num_heads": 2, "key_dim": 3, "use_causal_mask": True,
                                                                    "inputs": ["x", "x"]}}])
    yield Case("mha-open", {"x": [None, 8]}, [{"MultiHeadAttention": {"num_heads": 2, "key_dim": 4, "inputs": ["x", "x"]}},
                                             {"GlobalAveragePooling1D": {}}])
    yield Case("mha-open-causal", {"x": [None, 8]}, [{"MultiHeadAttention": {"num_heads": 2, "key_dim": 4, "use_causal_mask": True,
                                                                            "inputs": ["x", "x"]}}])
    yield Case("mha-axes", {"x": [4, 5, 8]}, [{"MultiHeadAttention": {"num_heads": 2, "key_dim": 3, "attention_axes": [2], "inputs": ["x", "x"]}}])
    yield Case("gqa", {"x": [6, 8]}, [{"GroupQueryAttention": {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2,
                                                              "inputs": ["x", "x"]}}])
    yield Case("mha-mask", {"x": {"shape": [6], "dtype": "int32"}},
               [{"Embedding": {"input_dim": 9, "output_dim": 8, "mask_zero": True, "name": "e"}},
                {"MultiHeadAttention": {"num_heads": 2, "key_dim": 3, "inputs": ["e", "e"]}}, {"GlobalAveragePooling1D": {}}],
               draw={"x": padded(9)}, masked=True)


def merge_cases():
    yield Case("custom-scale", {"a": [5], "b": [5]}, [{"CustomScaleLayer": {"scale": 0.17, "inputs": ["a", "b"]}}])
    for kind in ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"):
        yield Case(f"merge-{kind.lower()}", {"a": [4, 5], "b": [4, 5]}, [{kind: {"inputs": ["a", "b"]}}])
        yield Case(f"merge-conv-{kind.lower()}", {"x": [6, 7, 3]}, [
            {"Conv2D": {"name": "a", "filters": 4, "kernel_size": 3, "padding": "same"}},
            {"Conv2D": {"name": "b", "filters": 4, "kernel_size": 3, "padding": "same", "inputs": "x"}}, {kind: {"inputs": ["a", "b"]}}])
    yield Case("merge-three", {"a": [5], "b": [5], "c": [5]}, [{"Add": {"inputs": ["a", "b", "c"], "name": "s"}},
                                                              {"Average": {"inputs": ["a", "b", "s"]}}])
    yield Case("merge-broadcast", {"a": [4, 5], "b": [1, 5]}, [{"Multiply": {"inputs": ["a", "b"]}}])
    yield Case("concat-axis1", {"a": [4, 5], "b": [2, 5]}, [{"Concatenate": {"axis": 1, "inputs": ["a", "b"]}}])
    yield Case("concat-conv-axis", {"x": [6, 7, 3]}, [
        {"Conv2D": {"name": "a", "filters": 4, "kernel_size": 3, "padding": "same"}},
        {"Conv2D": {"name": "b", "filters": 4, "kernel_size": 3, "padding": "same", "inputs": "x"}},
        {"Concatenate": {"axis": 1, "inputs": ["a", "b"]}}, {"Conv2D": {"filters": 2, "kernel_size": 2}}])
    yield Case("dot", {"a": [4, 5], "b": [3, 5]}, [{"Dot": {"axes": 2, "inputs": ["a", "b"]}}])
    yield Case("dot-normalize", {"a": [5], "b": [5]}, [{"Dot": {"axes": 1, "normalize": True, "inputs": ["a", "b"]}}])
    yield Case("dot-axes", {"a": [4, 5], "b": [4, 3]}, [{"Dot": {"axes": [1, 1], "inputs": ["a", "b"]}}])


def shape_cases():
    yield chain("reshape", [12], {"Reshape": {"target_shape": [3, 4]}})
    yield chain("reshape-infer", [4, 6], {"Reshape": {"target_shape": [-1, 3]}})
    yield chain("reshape-conv", [12], {"Reshape": {"target_shape": [3, 4, 1]}}, {"Conv2D": {"filters": 2, "kernel_size": 2}},
                {"Reshape": {"target_shape": [-1]}})
    yield chain("permute", [3, 4, 5], {"Permute": {"dims": [3, 1, 2]}})
    yield chain("permute-conv", [6, 7, 3], {"Conv2D": {"filters": 4, "kernel_size": 3}}, {"Permute": {"dims": [3, 1, 2]}})
    yield chain("repeat", [5], {"RepeatVector": {"n": 3}})
    yield chain("flatten", [3, 4], {"Flatten": {}})
    yield chain("flatten-1", [], {"Flatten": {}})
    yield chain("identity", [3], {"Identity": {}})
    yield chain("dropouts", [3, 4], {"Dropout": {"rate": 0.3}}, {"GaussianDropout": {"rate": 0.3}}, {"GaussianNoise": {"stddev": 0.3}},
                {"AlphaDropout": {"rate": 0.3}}, {"ActivityRegularization": {"l2": 0.1}}, {"Dense": {"units": 2}})
    yield chain("block-of-convnext", [4, 5, 3], {"Conv2D": {"filters": 4, "kernel_size": 2}}, {"LayerScale": {"projection_dim": 4, "init_values": 0.3}},
                {"StochasticDepth": {"drop_path_rate": 0.3}})
    yield chain("lambda", [3, 4], {"Lambda": {"expression": "x * sigmoid(1.702 * x)"}})


def preprocessing_cases():
    for name in ("bilinear", "nearest", "bicubic", "lanczos3", "lanczos5"):
        yield chain(f"resizing-{name}", [5, 7, 2], {"Resizing": {"height": 8, "width": 3, "interpolation": name}})
        yield chain(f"resizing-antialias-{name}", [9, 8, 2], {"Resizing": {"height": 4, "width": 5, "interpolation": name, "antialias": True}})
    yield chain("resizing-crop", [6, 9, 2], {"Resizing": {"height": 4, "width": 3, "crop_to_aspect_ratio": True}}, {"Conv2D": {"filters": 2, "kernel_size": 2}})
    yield chain("resizing-pad", [6, 9, 2], {"Resizing": {"height": 7, "width": 5, "pad_to_aspect_ratio": True, "fill_value": 0.4}})
    yield chain("resizing-channels-first", [2, 6, 9], {"Resizing": {"height": 7, "width": 5, "data_format": "channels_first"}})
    yield chain("resizing-conv", [6, 7, 2], {"Conv2D": {"filters": 3, "kernel_size": 2}}, {"Resizing": {"height": 9, "width": 4, "interpolation": "bicubic"}},
                {"Conv2D": {"filters": 2, "kernel_size": 3}})
    yield Case("resizing-integers", {"x": {"shape": [5, 4, 3], "dtype": "int32"}}, [{"Resizing": {"height": 3, "width": 7}}], draw={"x": tokens(256)})
    yield chain("center-crop", [6, 7, 2], {"CenterCrop": {"height": 3, "width": 4}})
    yield chain("center-crop-enlarged", [3, 7, 2], {"CenterCrop": {"height": 5, "width": 4}})
    yield chain("augmentations", [6, 5, 3], {"RandomFlip": {}}, {"RandomCrop": {"height": 2, "width": 2}},
                {"RandomTranslation": {"height_factor": 0.1, "width_factor": 0.2}}, {"RandomRotation": {"factor": 0.1}}, {"RandomZoom": {"height_factor": 0.1}},
                {"RandomShear": {}}, {"RandomPerspective": {}}, {"RandomContrast": {"factor": 0.1}}, {"RandomBrightness": {"factor": 0.1}},
                {"RandomSaturation": {"factor": 0.1}}, {"RandomHue": {"factor": 0.1}}, {"RandomColorJitter": {}}, {"RandomColorDegeneration": {"factor": 0.1}},
                {"RandomGrayscale": {}}, {"RandomInvert": {}}, {"RandomPosterization": {"factor": 3}}, {"RandomSharpness": {"factor": 0.1}},
                {"RandomGaussianBlur": {}}, {"RandomErasing": {}}, {"Solarization": {}}, {"MixUp": {}}, {"CutMix": {}}, {"Conv2D": {"filters": 2, "kernel_size": 2}})
    yield chain("auto-contrast", [6, 5, 3], {"AutoContrast": {"value_range": [-1, 2]}})
    yield chain("drawn-steps", [6, 5, 3], {"RandAugment": {"value_range": [-1, 2]}}, {"AugMix": {"value_range": [-1, 2]}},
                {"RandomElasticTransform": {"value_range": [-1, 2]}},
                {"Pipeline": {"layers": [{"Rescaling": {"scale": 2.0}}, {"RandomFlip": {}}, {"CenterCrop": {"height": 4, "width": 3}}]}})
    yield chain("equalization", [6, 5, 3], {"Equalization": {"value_range": [-1, 2], "bins": 16}})
    yield chain("clahe", [13, 11, 3], {"ContrastLimitedAdaptiveHistogramEqualization": {"value_range": [-1, 2], "tile_grid_size": [4, 3]}},
                refused="scatter_elements: needs opset 16", below=16)
    yield chain("spectral-normalization", [7, 6, 2], {"SpectralNormalization": {"layer": {"Conv2D": {"filters": 3, "kernel_size": 3}}}},
                {"SpectralNormalization": {"layer": {"Dense": {"units": 4}}, "power_iterations": 3}})
    words = {"ReversibleEmbedding": {"name": "words", "input_dim": 11, "output_dim": 4, "logit_soft_cap": 2.0}}
    yield Case("reversible-embedding", {"x": {"shape": [6], "dtype": "int32"}}, [words, {"call": {"layer": "words", "reverse": True}}], draw={"x": tokens(11)})
    for dtype in ("int32", "int64"):
        yield Case(f"hashing-{dtype}", {"x": {"shape": [6], "dtype": dtype}}, [{"Hashing": {"num_bins": 7, "mask_value": 3}}], draw={"x": tokens(90)},
                   refused="hash_bucket: has no ONNX operator")
        yield Case(f"hashed-crossing-{dtype}", {"x": {"shape": [1], "dtype": dtype}, "y": {"shape": [1], "dtype": dtype}},
                   [{"HashedCrossing": {"num_bins": 9, "output_mode": "one_hot", "inputs": ["x", "y"]}}], draw={"x": tokens(50), "y": tokens(50)},
                   refused="hash_bucket: has no ONNX operator")
    for mode in ("one_hot", "multi_hot", "count"):
        yield Case(f"category-{mode}", {"x": {"shape": [6], "dtype": "int32"}}, [{"CategoryEncoding": {"num_tokens": 5, "output_mode": mode}}],
                   draw={"x": tokens(7)})
        yield chain(f"discretization-{mode}", [6], {"Discretization": {"bin_boundaries": [-0.5, 0, 0.1, 0.7, 1.1], "output_mode": mode}})
        yield Case(f"lookup-{mode}", {"x": {"shape": [6], "dtype": "int64"}}, [
            {"IntegerLookup": {"vocabulary": [8, 2, 5, 4], "num_oov_indices": 2, "mask_token": 0, "output_mode": mode}}], draw={"x": tokens(9)})
    yield Case("category-weights", {"x": {"shape": [6], "dtype": "int32"}, "w": [6]}, [
        {"CategoryEncoding": {"num_tokens": 5, "output_mode": "count", "inputs": ["x", "w"]}}], draw={"x": tokens(5)})
    yield chain("discretization", [4, 6], {"Discretization": {"bin_boundaries": [-0.5, 0, 0.7]}})
    lookups = {"int": {}, "mask": {"mask_token": 3}, "oov": {"num_oov_indices": 3}, "none": {"num_oov_indices": 0}, "invert": {"invert": True},
               "tf-idf": {"output_mode": "tf_idf", "idf_weights": [0.5, 0.2, 1.5, 0.7, 0.1]}}
    for name, config in lookups.items():
        yield Case(f"lookup-{name}", {"x": {"shape": [6], "dtype": "int64"}}, [{"IntegerLookup": {"vocabulary": [8, 2, 5, 4, 17], **config}}],
                   draw={"x": tokens(20)})
    yield chain("mel", [200], {"MelSpectrogram": {"fft_length": 64, "sequence_stride": 20, "num_mel_bins": 10}})
    yield chain("mel-open", [2, None], {"MelSpectrogram": {"fft_length": 8, "sequence_length": 7, "sequence_stride": 2, "num_mel_bins": 3, "power_to_db": False,
                                                          "mag_exp": 1.0, "window": "hamming"}})
    for mode in ("log", "psd", "angle", "stft", "real"):
        yield chain(f"stft-{mode}", [40, 2], {"STFTSpectrogram": {"mode": mode, "frame_length": 8, "padding": "same"}})


def model_cases():
    yield Case("shared", {"a": [5], "b": [5]}, [
        {"Dense": {"name": "tower", "units": 4, "inputs": "a"}}, {"call": {"name": "again", "layer": "tower", "inputs": "b"}},
        {"Subtract": {"inputs": ["tower", "again"]}}, {"Dense": {"units": 1}}])
    yield Case("heads", {"image": [8, 9, 3], "flags": [4]}, [
        {"Conv2D": {"name": "stem", "filters": 4, "kernel_size": 3, "inputs": "image", "activation": "relu"}},
        {"GlobalAveragePooling2D": {"name": "pooled"}},
        {"Concatenate": {"name": "joined", "inputs": ["pooled", "flags"]}},
        {"Dense": {"name": "kind", "units": 3, "activation": "softmax"}},
        {"Dense": {"name": "box", "units": 4, "inputs": "joined"}}], ["kind", "box", "stem"])
    yield Case("input-is-output", {"x": [4]}, [{"Dense": {"name": "d", "units": 2}}, {"Identity": {"name": "same", "inputs": "x"}}], ["d", "same"])
    yield Case("odd names", {"eingang ä 1": [4]}, [{"Dense": {"name": "dicht é.1", "units": 2}}, {"Dense": {"name": "a:b c", "units": 2}}])
    block = lambda i, inputs: [
        {"MultiHeadAttention": {"name": f"attention{i}", "num_heads": 2, "key_dim": 4, "inputs": [inputs, inputs]}},
        {"Add": {"name": f"sum{i}", "inputs": [inputs, f"attention{i}"]}},
        {"LayerNormalization": {"name": f"norm{i}", "epsilon": 1e-6}},
        {"Dense": {"name": f"wide{i}", "units": 16, "activation": "gelu"}},
        {"Dense": {"name": f"narrow{i}", "units": 8}},
        {"Add": {"name": f"out{i}", "inputs": [f"norm{i}", f"narrow{i}"]}},
        {"LayerNormalization": {"name": f"block{i}", "epsilon": 1e-6}}]
    yield Case("transformer", {"tokens": {"shape": [10], "dtype": "int32"}}, [
        {"Embedding": {"name": "words", "input_dim": 20, "output_dim": 8, "inputs": "tokens"}},
        *block(1, "words"), *block(2, "block1"), {"GlobalAveragePooling1D": {}}, {"Dense": {"units": 3, "activation": "softmax"}}],
        draw={"tokens": tokens(20)})
    yield Case("transformer-open-mask", {"tokens": {"shape": [None], "dtype": "int32"}}, [
        {"Embedding": {"name": "words", "input_dim": 20, "output_dim": 8, "mask_zero": True, "inputs": "tokens"}},
        *block(1, "words"), {"GlobalAveragePooling1D": {}}, {"Dense": {"units": 3, "activation": "softmax"}}],
        draw={"tokens": padded(20)}, masked=True)
    conv = lambda name, filters, **k: {"Conv2D": {"name": name, "filters": filters, "kernel_size": 3, "padding": "same",
                                                 "activation": "relu", **k}}
    yield Case("unet", {"image": [16, 24, 3]}, [
        conv("d1", 4), {"MaxPooling2D": {"name": "p1"}}, conv("d2", 8), {"MaxPooling2D": {"name": "p2"}}, conv("mid", 8),
        {"Conv2DTranspose": {"name": "u2", "filters": 8, "kernel_size": 2, "strides": 2}}, {"Concatenate": {"inputs": ["u2", "d2"]}}, conv("e2", 8),
        {"UpSampling2D": {"name": "u1"}}, {"Concatenate": {"inputs": ["u1", "d1"]}}, conv("e1", 4),
        {"Conv2D": {"name": "mask", "filters": 1, "kernel_size": 1, "activation": "sigmoid"}}])
    yield Case("unet-open", {"image": [None, None, 3]}, [
        conv("d1", 4), {"MaxPooling2D": {"name": "p1"}}, conv("d2", 8),
        {"UpSampling2D": {"name": "u1"}}, conv("e1", 4), {"Conv2D": {"filters": 1, "kernel_size": 1, "activation": "sigmoid"}}])
    yield Case("tagger", {"words": {"shape": [None], "dtype": "int32"}}, [
        {"Embedding": {"input_dim": 30, "output_dim": 6}}, {"Bidirectional": {"layer": {"LSTM": {"units": 5, "return_sequences": True}}}},
        {"TimeDistributed": {"layer": {"Dense": {"units": 4, "activation": "softmax"}}}}], draw={"words": tokens(30)})
    yield Case("tagger-mask", {"words": {"shape": [None], "dtype": "int32"}}, [
        {"Embedding": {"input_dim": 30, "output_dim": 6, "mask_zero": True}},
        {"Bidirectional": {"layer": {"LSTM": {"units": 5, "return_sequences": True}}}},
        {"TimeDistributed": {"layer": {"Dense": {"units": 4, "activation": "softmax"}}}}], draw={"words": padded(30, True)}, masked=True)
    yield Case("squeeze-excite", {"x": [8, 8, 4]}, [
        conv("c", 8), {"GlobalAveragePooling2D": {"name": "g", "keepdims": True}}, {"Conv2D": {"filters": 2, "kernel_size": 1, "activation": "silu"}},
        {"Conv2D": {"name": "s", "filters": 8, "kernel_size": 1, "activation": "sigmoid"}}, {"Multiply": {"inputs": ["c", "s"]}}])
    yield Case("squeeze-excite-dense", {"x": [8, 8, 4]}, [
        conv("c", 8), {"GlobalAveragePooling2D": {}}, {"Dense": {"units": 2, "activation": "relu"}}, {"Dense": {"units": 8, "activation": "sigmoid"}},
        {"Reshape": {"name": "s", "target_shape": [1, 1, 8]}}, {"Multiply": {"inputs": ["c", "s"]}}])


def cases():
    for family in (activation_cases, dense_cases, convolution_cases, pooling_cases, normalisation_cases, recurrent_cases, attention_cases,
                   merge_cases, shape_cases, preprocessing_cases, model_cases):
        yield from family()
