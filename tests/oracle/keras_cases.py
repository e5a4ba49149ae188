"""Models for keras_files.py, written once for Keras 3 and tf-keras: functions of the framework K that give a model. Sizes differ on
every axis, so that a mix-up shows. `KERAS2` names those that tf-keras has, too."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "unit" / "layers"))
from keras_gradient_cases import CASES as LAYER_CASES, PREPROCESSING, case  # noqa: E402

MORE_LAYERS = [
    case("Dense", {"units": 3, "kernel_constraint": {"class_name": "MaxNorm", "config": {"max_value": 1.5, "axis": 0}},
                   "bias_constraint": {"class_name": "NonNeg", "config": {}}, "kernel_regularizer": "OrthogonalRegularizer"}, (5,)),
    case("Conv2D", {"filters": 3, "kernel_size": 2, "kernel_constraint": {"class_name": "UnitNorm", "config": {"axis": [0, 1, 2]}}}, (5, 6, 2)),
    case("LSTM", {"units": 3, "recurrent_constraint": {"class_name": "MinMaxNorm", "config": {"min_value": 0.1, "max_value": 0.9, "rate": 0.5,
                                                                                              "axis": 0}}}, (4, 2)),
    case("Dense", {"units": 3, "activation": "relu", "kernel_regularizer": "l2"}, (5,)),
    case("Dense", {"units": 3, "use_bias": False, "kernel_initializer": "he_normal", "activation": "gelu"}, (4, 5)),
    case("LSTM", {"units": 3, "dropout": 0.2, "recurrent_dropout": 0.3, "seed": 4}, (5, 2)),
    case("GRU", {"units": 3, "recurrent_dropout": 0.3}, (5, 2)),
    case("SimpleRNN", {"units": 3, "recurrent_dropout": 0.4, "return_sequences": True}, (5, 2)),
    case("ConvLSTM2D", {"filters": 2, "kernel_size": 2, "recurrent_dropout": 0.4}, (3, 4, 3, 2)),
    case("Dropout", {"rate": 0.3, "noise_shape": [None, 1], "seed": 3}, (4,)),
    case("GaussianNoise", {"stddev": 0.3}, (4,)),
    case("Normalization", {"axis": -1}, (4, 3)),
]
MORE_LAYERS += [case("Activation", {"activation": name}, (3, 7)) for name in (
    "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "softmax", "log_softmax", "sigmoid", "softplus", "softsign", "hard_sigmoid",
    "hard_silu", "hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink", "mish", "log_sigmoid", "sparse_plus", "squareplus", "sparsemax", "exponential", "linear")]

# TensorFlow has no channels_first and no dilated transposes on a CPU.
CASES = [c for c in LAYER_CASES + MORE_LAYERS if c["config"].get("data_format") != "channels_first"
         and not ("Transpose" in c["layer"] and "dilation_rate" in c["config"]) and not (c.get("forward") and c.get("training")) and c["config"].get("output_mode") != "tf_idf"]  # the last is not written to .keras

# Keras itself fails to write them to .h5.
NO_H5 = {"RandomBrightness", "RandomColorDegeneration", "RandomContrast", "RandomGaussianBlur", "RandomPosterization", "RandomSaturation",
         "RandomSharpness", "RandomTranslation", "Solarization", "Pipeline", "AugMix", "RandAugment", "RandomElasticTransform"}

# Keras 2: another class, key or number.
ONLY_KERAS3 = {"Equalization", "GroupQueryAttention", "RMSNormalization", "ReversibleEmbedding", "SpectralNormalization"} | {c["layer"] for c in PREPROCESSING} | {f"Adaptive{kind}Pooling{n}D" for kind in ("Average", "Max") for n in (1, 2, 3)}
ONLY_KERAS3_ACTIVATIONS = {"celu", "hard_silu", "hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink", "log_sigmoid", "sparse_plus", "squareplus", "sparsemax"}
ONLY_KERAS3_KEYS = {"use_gate", "sliding_window", "zero_output_for_mask"}


def in_keras2(c):
    config = c["config"]
    masks = c.get("masked")
    merges = c["layer"] in {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"}
    # Where masks have another way, and where tf-keras fails with one.
    own_masks = (merges or c["layer"] in {"GroupNormalization", "Identity"} or c.get("before") == ("Identity", {})
                 or (c["layer"] == "MultiHeadAttention" and "dropout" in config))
    return not (c["layer"] in ONLY_KERAS3 or config.get("activation") in ONLY_KERAS3_ACTIVATIONS or ONLY_KERAS3_KEYS & config.keys()
                or (own_masks and masks) or (c["layer"] == "Conv3DTranspose" and "dilation_rate" in config)
                or (c["layer"] == "Softmax" and len(c["shapes"]) > 1))


def has_hard_sigmoid(c):
    """Another function in Keras 2 than in Keras 3."""
    return "hard_sigmoid" in (c["config"].get("activation"), c["config"].get("recurrent_activation"))


def make_layer(K, class_name, config):
    def convert(key, value):
        if isinstance(value, tuple) and isinstance(value[0], str):
            return make_layer(K, *value)
        if isinstance(value, list) and value and isinstance(value[0], tuple):
            return [convert(key, v) for v in value]
        return tuple(value) if isinstance(value, list) and key in ("target_shape", "dims", "kernel_size") else value
    config = {k: convert(k, v) for k, v in config.items()}
    if K.__name__ == "tf_keras" and class_name == "LeakyReLU":
        config = {"alpha": config.get("negative_slope", 0.3)}
    if K.__name__ == "tf_keras" and class_name.startswith("ConvLSTM"):  # its default is another function in Keras 3
        config.setdefault("recurrent_activation", "sigmoid")
    if class_name.startswith("AveragePooling"):
        config = {"pool_size": 2, **config}
    return getattr(K.layers, class_name)(**config)


def layer_call(K, c, number):
    """(inputs, outputs) of the case; masked inputs pass through Masking."""
    inputs, tensors = [], []
    for i, shape in enumerate(c["shapes"]):
        x = K.Input(shape, name=f"c{number}_in{i}", dtype="int32" if c.get("integers") else "float32")
        inputs.append(x)
        tensors.append(K.layers.Masking(name=f"c{number}_mask{i}")(x) if i in (c.get("masked") or []) else x)
    if c.get("before"):
        tensors[0] = make_layer(K, *c["before"])(tensors[0])
    layer = make_layer(K, c["layer"], c["config"])
    call = dict(c.get("call") or {})
    name = c["layer"]
    if name in ("MultiHeadAttention", "GroupQueryAttention"):
        y = layer(*tensors, **call)
    elif name in ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM2D") and len(tensors) > 1:
        y = layer(tensors[0], initial_state=tensors[1:])
    elif name.endswith("Cell"):
        y = layer(tensors[0], tensors[1:])
    elif name == "Softmax" and len(tensors) > 1:
        y = layer(tensors[0], mask=tensors[1])
    elif name == "CategoryEncoding" and len(tensors) > 1:
        y = layer(tensors[0], count_weights=tensors[1])
    else:
        y = layer(tensors if len(tensors) > 1 else tensors[0], **call)
    return inputs, flatten(y)


def layer_model(K, cases):
    """Cases side by side in one model: (number, case)."""
    parts = [layer_call(K, c, number) for number, c in cases]
    return K.Model(sum((p[0] for p in parts), []), sum((p[1] for p in parts), []), name="cases")


def flatten(y):
    return [leaf for item in y for leaf in flatten(item)] if isinstance(y, (list, tuple)) else [y]


# ---- whole models

def shared(K):
    a, b = K.Input((6,), name="left"), K.Input((6,), name="right")
    tower = K.layers.Dense(4, activation="relu", name="tower")
    x, y = tower(a), tower(b)
    z = K.layers.Concatenate(name="both")([x, y, K.layers.Subtract(name="diff")([x, y])])
    return K.Model([a, b], [K.layers.Dense(3, name="first")(z), K.layers.Dense(2, activation="softmax", name="second")(K.layers.Add()([x, y]))])


def nested(K):
    inner = K.Sequential([K.Input((5,)), K.layers.Dense(4, activation="tanh", name="d"), K.layers.BatchNormalization(name="n")], name="inner")
    i = K.Input((4,), name="deep_in")
    deep = K.Model(i, [K.layers.Dense(3, name="d")(i), K.layers.Activation("relu", name="r")(i)], name="deep")
    x = K.Input((5,), name="x")
    u, v = deep(inner(x))
    w, q = deep(K.layers.Dense(4, name="d")(x))
    return K.Model(x, K.layers.Concatenate()([u, v, w, q]), name="outer")


def nested_sequential(K):
    base = K.Sequential([K.Input((7, 6, 3)), K.layers.Conv2D(4, 3, name="c"), K.layers.MaxPooling2D(2)], name="base")
    return K.Sequential([K.Input((7, 6, 3)), base, K.layers.Flatten(), K.layers.Dense(3)], name="whole")


def branches(K):
    """Layers of one class at equal and different depths: their order in the file is Keras's own."""
    x, y = K.Input((4,), name="x"), K.Input((4,), name="y")
    a = K.layers.Dense(4, name="a")(x)
    b = K.layers.Dense(4, name="b")(K.layers.Dense(4, name="c")(y))
    d = K.layers.Dense(4, name="d")(K.layers.Add()([b, a]))
    e = K.layers.Dense(4, name="e")(a)
    f = K.layers.Dense(4, name="f")(K.layers.Multiply()([e, K.layers.Dense(4, name="g")(x)]))
    return K.Model([y, x], [f, d, K.layers.Dense(4, name="h")(b)])


def masked_branches(K):
    """A mask is made by functions that count in Keras 3's order of layers."""
    x, y = K.Input((5, 3), name="x"), K.Input((5, 3), name="y")
    a = K.layers.Masking(name="m")(K.layers.Dense(3, name="a")(x))
    b = K.layers.Dense(3, name="b")(y)
    return K.Model([x, y], [K.layers.LSTM(3, name="l")(a), K.layers.GRU(3, name="g")(K.layers.Dense(3, name="c")(b))])


def language_models(K):
    """Tables that are used both ways, tied and not."""
    x = K.Input((6,), dtype="int32", name="tokens")
    tied = K.layers.ReversibleEmbedding(11, 5, logit_soft_cap=0.5, name="tied")
    free = K.layers.ReversibleEmbedding(11, 5, tie_weights=False, mask_zero=True, reverse_dtype="float32", name="free")
    a, b = tied(x), K.layers.LSTM(5, return_sequences=True, name="l")(free(x))
    return K.Model(x, [tied(a, reverse=True), free(b, reverse=True), free(K.layers.Dense(5, name="d")(a), reverse=True)])


def stateful(K):
    x = K.Input(batch_shape=(3, 5, 2), name="x")
    a = K.layers.LSTM(4, stateful=True, return_sequences=True, name="l")(x)
    b = K.layers.Bidirectional(K.layers.GRU(3, stateful=True, name="g"), name="b")(a)
    return K.Model(x, [K.layers.Dense(2, name="d")(b), K.layers.SimpleRNN(3, stateful=True, return_state=True, name="s")(a)[1]])


def tagger(K):
    x = K.Input((None,), dtype="int32", name="words")
    h = K.layers.Embedding(20, 5, mask_zero=True, name="embed")(x)
    h = K.layers.Bidirectional(K.layers.LSTM(4, return_sequences=True), name="bi")(h)
    h = K.layers.TimeDistributed(K.layers.Dense(6, activation="tanh"), name="td")(h)
    return K.Model(x, K.layers.Dense(3, activation="softmax", name="tags")(h), name="tagger")


def transformer(K):
    x = K.Input((6,), dtype="int32", name="tokens")
    h = K.layers.Embedding(13, 8, name="embed")(x)
    for i in range(2):
        a = K.layers.MultiHeadAttention(2, 4, name=f"att{i}")(h, h)
        h = K.layers.LayerNormalization(epsilon=1e-6, name=f"n{i}a")(K.layers.Add(name=f"r{i}a")([h, K.layers.Dropout(0.1)(a)]))
        f = K.layers.Dense(8, name=f"f{i}b")(K.layers.Dense(16, activation="gelu", name=f"f{i}a")(h))
        h = K.layers.LayerNormalization(epsilon=1e-6, name=f"n{i}b")(K.layers.Add(name=f"r{i}b")([h, f]))
    return K.Model(x, K.layers.Dense(4)(K.layers.GlobalAveragePooling1D()(h)), name="encoder")


def unet(K):
    x = K.Input((16, 12, 2), name="image")
    def block(h, n, name):
        h = K.layers.Conv2D(n, 3, padding="same", use_bias=False, name=name)(h)
        return K.layers.ReLU()(K.layers.BatchNormalization(name=name + "_bn")(h))
    a = block(x, 4, "a")
    b = block(K.layers.MaxPooling2D()(a), 6, "b")
    c = block(K.layers.MaxPooling2D()(b), 8, "c")
    u = block(K.layers.Concatenate()([K.layers.Conv2DTranspose(6, 2, strides=2, name="u1")(c), b]), 6, "d")
    v = block(K.layers.Concatenate()([K.layers.UpSampling2D()(u), a]), 4, "e")
    return K.Model(x, K.layers.Conv2D(1, 1, activation="sigmoid", name="mask")(v), name="unet")


def arithmetic(K):
    """Functions among the layers."""
    x, y = K.Input((4, 3), name="x"), K.Input((4, 3), name="y")
    a = K.layers.Dense(3, name="d")(x * 2.0 + 1.0 - y / 3.0)
    b = 1.0 - a * x
    c = K.layers.Dense(2, name="e")(b[:, 1:3]) + -K.layers.Dense(2, name="f")(y[:, :2] ** 2)
    return K.Model([x, y], [c, abs(a)[:, 0], a[:, -1]], name="arithmetic")


def functions(K):
    """keras.ops of Keras 3."""
    ops = K.ops
    x = K.Input((4, 6), name="x")
    h = ops.concatenate([ops.relu(x), ops.transpose(ops.reshape(x, (-1, 6, 4)), (0, 2, 1))], axis=-1)
    h = K.layers.Dense(5, name="d")(ops.softmax(h, axis=1))
    s = ops.matmul(h, ops.transpose(h, (0, 2, 1))) / 2.0
    m = ops.mean(h, axis=1, keepdims=True) + ops.max(h, axis=-1, keepdims=True)
    w = ops.where(h > 0.1, h, ops.exp(ops.minimum(h, 0.5)))
    t = ops.stack([ops.squeeze(ops.expand_dims(w, 1), 1), ops.clip(h, -0.2, 0.3)], axis=1)
    return K.Model(x, [s, m, t, x[..., None, 0], x[:, ::2, 1:], ops.rsqrt(ops.square(h) + 1.0), ops.swapaxes(h, 1, 2), ops.flip(h, axis=1)])


def reuse_after_embedding(K):
    x = K.Input((7,), dtype="int32", name="ids")
    e = K.layers.Embedding(9, 4, mask_zero=True, name="e")(x)
    a = K.layers.LSTM(3, return_sequences=True, name="l1")(e)
    b = K.layers.LSTM(3, name="l2")(a)
    return K.Model(x, K.layers.Dense(2, name="out")(b))


def cells(K):
    x = K.Input((5, 3), name="x")
    stack = K.layers.StackedRNNCells([K.layers.LSTMCell(4), K.layers.LSTMCell(2), K.layers.GRUCell(3)])
    return K.Model(x, K.layers.RNN(stack, return_sequences=True, name="r")(x))


def frozen(K):
    m = K.Sequential([K.Input((4,)), K.layers.Dense(3, name="a"), K.layers.BatchNormalization(name="b"), K.layers.Dense(2, name="c")])
    m.get_layer("a").trainable = False
    m.get_layer("b").trainable = False
    return m


def seq2seq(K):
    a, b = K.Input((5, 3), name="source"), K.Input((4, 2), name="target")
    _, h, c = K.layers.LSTM(6, return_state=True, name="encoder")(a)
    y = K.layers.LSTM(6, return_sequences=True, name="decoder")(b, initial_state=[h, c])
    return K.Model([a, b], K.layers.Dense(2, name="out")(y))


def odd_names(K):
    x = K.Input((4,), name="in put")
    h = K.layers.Dense(3, name="café.1")(x)
    return K.Model(x, K.layers.Dense(2, name="two words")(h), name="odd model")


def many_layers(K):
    """More names than one HDF5 attribute holds."""
    x = h = K.Input((2,), name="x")
    for i in range(290):
        h = K.layers.Activation("linear", name="a_layer_with_a_long_name_" * 10 + str(i))(h)
    return K.Model(x, K.layers.Dense(2, name="d")(h))


def attention_masks(K):
    """Masks as an argument: with and without axes of batch and heads, of numbers and of truths, with a key and without."""
    x, y, m = K.Input((5, 6), name="x"), K.Input((4, 6), name="y"), K.Input((5, 4), name="m")
    heads = K.Input((2, 5, 4), name="heads")
    a = K.layers.MultiHeadAttention(2, 3, name="a")(x, y, attention_mask=m > 0.0)
    b = K.layers.MultiHeadAttention(2, 3, name="b")(x, y, key=K.layers.Dense(6, name="k")(y), attention_mask=heads > -0.5)
    c = K.layers.MultiHeadAttention(3, 2, dropout=0.2, name="c")(query=x, value=K.layers.Masking(name="my")(y), attention_mask=m > -1.0)
    return K.Model([x, y, m, heads], [a, b, c])


def attention_masks_of_numbers(K):
    x, m = K.Input((5, 6), name="x"), K.Input((5, 5), name="m")
    a, s = K.layers.MultiHeadAttention(2, 3, name="a")(x, x, attention_mask=K.ops.abs(K.ops.sign(m)), return_attention_scores=True)
    b = K.layers.GroupQueryAttention(3, 4, 2, name="g")(x, x, attention_mask=K.ops.greater(m, -0.3), use_causal_mask=True)
    return K.Model([x, m], [a, s, b])


def parts_of_applications(K):
    """Layers that keras.applications has of its own."""
    from keras.src.applications import convnext, inception_resnet_v2
    x = K.Input((8, 9, 4), name="x")
    h = convnext.ConvNeXtBlock(4, layer_scale_init_value=0.3, name="block")(x)
    h = convnext.ConvNeXtBlock(4, drop_path_rate=0.2, name="deep")(h)
    return K.Model(x, inception_resnet_v2.CustomScaleLayer(0.17)([x, h]))


def application(name, size):
    return lambda K: getattr(K.applications, name)(weights=None, input_shape=(size, size, 3), classes=7)


MODELS = {f.__name__: f for f in (shared, nested, nested_sequential, branches, masked_branches, language_models, stateful, tagger, transformer, unet, arithmetic, functions,
                                  reuse_after_embedding, cells, frozen, seq2seq, odd_names, many_layers, attention_masks, attention_masks_of_numbers,
                                  parts_of_applications)}
APPLICATIONS = {name: application(name, size) for name, size in (
    ("MobileNetV2", 32), ("ResNet50", 32), ("EfficientNetB0", 32), ("DenseNet121", 32), ("Xception", 71), ("MobileNetV3Small", 32))}
# Those that Keras 2 can hold; MobileNetV3 of Keras 3 has the activation hard_silu, which Keras 2 does not know.
KERAS2 = (set(MODELS) | set(APPLICATIONS)) - {"functions", "language_models", "odd_names", "many_layers", "MobileNetV3Small", "attention_masks_of_numbers",
                                               "parts_of_applications"}
