"""Writes the files beside it with the real Keras 1.2.2: models (.h5; or weights and .json), inputs and what Keras predicted for them.

    python3.6 -m venv VENV
    VENV/bin/pip install numpy==1.16.6 h5py==2.10.0 scipy==1.2.3 protobuf==3.6.1 six pyyaml==5.3.1
    VENV/bin/pip install --no-deps keras==1.2.2 Theano==1.0.5 tensorflow==1.0.1
    for backend in tensorflow theano; do VENV/bin/python make_golden.py $backend; done
"""

import os
import pathlib
import sys

BACKEND = sys.argv[1]
os.environ["KERAS_BACKEND"] = BACKEND
os.environ["THEANO_FLAGS"] = "device=cpu,floatX=float32,cxx=,optimizer=None"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np  # noqa: E402
from keras import backend as K  # noqa: E402
from keras.layers import *  # noqa: E402, F403
from keras.layers.advanced_activations import LeakyReLU, PReLU, ThresholdedReLU  # noqa: E402
from keras.models import Model, Sequential  # noqa: E402
from keras.regularizers import l2  # noqa: E402

if BACKEND == "theano":
    import theano.ifelse  # noqa: F401, E402

HERE = pathlib.Path(__file__).resolve().parent


def images(ordering):
    return (7, 6, 3) if ordering == "tf" else (3, 7, 6)


def cnn(ordering):
    return Sequential([
        ZeroPadding2D((1, 0, 0, 2), dim_ordering=ordering, input_shape=images(ordering)),
        Convolution2D(4, 3, 2, border_mode="same", subsample=(2, 1), activation="relu", W_regularizer=l2(0.01), dim_ordering=ordering),
        BatchNormalization(axis=3 if ordering == "tf" else 1, epsilon=0.01),
        AtrousConvolution2D(3, 2, 2, atrous_rate=(2, 2), border_mode="same", dim_ordering=ordering),
        PReLU(init="one", shared_axes=[1, 2] if ordering == "tf" else [2, 3]),
        MaxPooling2D((2, 2), dim_ordering=ordering), Dropout(0.3), Flatten(), Dense(3, activation="softmax")])


def windows(ordering):
    """Borders that Theano lays otherwise than TensorFlow."""
    return Sequential([
        Convolution2D(2, 4, 3, border_mode="same", subsample=(2, 2), dim_ordering=ordering, input_shape=images(ordering)),
        Convolution2D(2, 2, 3, border_mode="full", bias=False, dim_ordering=ordering),
        AveragePooling2D((3, 3), strides=(1, 1), border_mode="same", dim_ordering=ordering), GlobalAveragePooling2D(dim_ordering=ordering)])


def series():
    return Sequential([
        UpSampling1D(2, input_shape=(5, 2)), Convolution1D(4, 3, border_mode="same", subsample_length=2), LeakyReLU(0.1),
        AtrousConvolution1D(3, 2, atrous_rate=2), ThresholdedReLU(0.1), MaxPooling1D(2), GlobalMaxPooling1D()])


def transposed(ordering):
    return Sequential([
        Deconvolution2D(2, 3, 2, (None, 9, 7, 2) if ordering == "tf" else (None, 2, 9, 7), dim_ordering=ordering, input_shape=images(ordering)),
        Cropping2D(((1, 0), (0, 2)), dim_ordering=ordering), UpSampling2D((1, 2), dim_ordering=ordering)])


def separable():
    return Sequential([SeparableConvolution2D(7, 3, 2, depth_multiplier=2, border_mode="same", dim_ordering="th", input_shape=(3, 5, 6))])


def words(consume_less):
    return Sequential([
        Embedding(7, 4, input_length=6, mask_zero=True, dropout=0.2),
        LSTM(3, return_sequences=True, consume_less=consume_less, dropout_W=0.1, dropout_U=0.2),
        TimeDistributed(Dense(3, activation="tanh")), Bidirectional(GRU(2, consume_less=consume_less), merge_mode="concat"),
        RepeatVector(3), SimpleRNN(2, go_backwards=True)])


def merges():
    a, b = Input(shape=(4,), name="a"), Input(shape=(3,))
    x, y = Dense(3, activation="tanh")(a), Highway(activation="relu")(b)
    shared = Dense(3, name="shared")
    parts = [merge([x, y], mode=mode) for mode in ("sum", "mul", "ave", "max", "concat", "dot")] + [shared(x), shared(y)]
    cosine = Flatten()(merge([x, y], mode="cos")) if BACKEND == "theano" else Reshape((1,))(merge([x, y], mode="cos"))
    inner_input = Input(shape=(3,))
    inner = Model(input=inner_input, output=BatchNormalization()(MaxoutDense(2, nb_feature=3)(inner_input)))
    return Model(input=[a, b], output=[merge(parts + [inner(x)], mode="concat"), cosine])


def joined():
    left = Sequential([Embedding(9, 3, input_length=4), Flatten()])
    right = Sequential([Dense(3, input_dim=2, activation="sigmoid"), BatchNormalization()])
    return Sequential([Merge([left, right], mode="concat"), Sequential([Dense(4, input_dim=15), BatchNormalization()]), Dense(2)])


MODELS = {
    "tensorflow": {"cnn_tf": lambda: cnn("tf"), "cnn_th": lambda: cnn("th"), "series": series, "transposed_th": lambda: transposed("th"),
                   "separable_th": separable, "words_cpu": lambda: words("cpu"), "words_gpu": lambda: words("gpu"), "merges": merges,
                   "joined": joined},
    "theano": {"theano_cnn_tf": lambda: cnn("tf"), "theano_cnn_th": lambda: cnn("th"), "theano_windows_tf": lambda: windows("tf"),
               "theano_windows_th": lambda: windows("th"), "theano_series": series, "theano_transposed_tf": lambda: transposed("tf"),
               "theano_words_mem": lambda: words("mem")},
}
WEIGHTS_ALONE = ("series", "theano_series")  # beside .json


def as_list(value):
    return value if isinstance(value, list) else [value]


def main():
    rng = np.random.RandomState(7)
    for name, make in sorted(MODELS[BACKEND].items()):
        if BACKEND == "tensorflow":
            K.clear_session()
        model = make()
        model.set_weights([np.abs(w) + 0.5 if "std" in str(v.name) else w + 0.3 * rng.randn(*w.shape)
                           for v, w in zip(model.weights, model.get_weights())])
        inputs = []
        for tensor, shape in zip(as_list(model.inputs), as_list(model.input_shape)):
            shape = (2,) + tuple(shape[1:])
            inputs.append(rng.randint(0, 7, shape).astype("int32") if "int" in str(K.dtype(tensor)) else rng.randn(*shape).astype("float32"))
        outputs = as_list(model.predict(inputs if len(inputs) > 1 else inputs[0]))
        if name in WEIGHTS_ALONE:
            model.save_weights(str(HERE / (name + ".h5")), overwrite=True)
            (HERE / (name + ".json")).write_text(model.to_json())
        else:
            model.save(str(HERE / (name + ".h5")))
        np.savez(str(HERE / (name + "-in.npz")), **{"x%d" % i: x for i, x in enumerate(inputs)})
        np.savez(str(HERE / (name + "-out.npz")), **{"y%d" % i: y.astype("float32") for i, y in enumerate(outputs)})
        print(name, (HERE / (name + ".h5")).stat().st_size)


main()
