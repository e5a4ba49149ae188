"""The cases of make_keras_gradients.py: one dict per configuration, written once for Keras and for dltool's YAML.

layer, config: class and arguments, an inner layer being (class, arguments). shapes: of the inputs, without the batch.
masked: inputs that pass through Masking, with some steps set to 0. integers: the inputs are integers below that. call: arguments
of the call, which are keys of the layer in YAML. before: a layer between input and layer. backend: which Keras backend judges.
"""


def case(layer, config, *shapes, **options):
    return {"layer": layer, "config": config, "shapes": shapes, **options}


TF = {"backend": "tensorflow"}
FIRST = {"data_format": "channels_first"}
TWO = ((3, 4), (3, 4))

CONVOLUTIONS = [
    case("SeparableConv2D", {"filters": 3, "kernel_size": [3, 2], "depth_multiplier": 2}, (5, 4, 2)),
    case("SeparableConv2D", {"filters": 2, "kernel_size": 4, "strides": 2, "padding": "same", "activation": "tanh"}, (7, 6, 3)),
    case("SeparableConv2D", {"filters": 3, "kernel_size": 2, "dilation_rate": 2, "use_bias": False, **FIRST}, (2, 5, 4)),
    case("SeparableConv1D", {"filters": 3, "kernel_size": 3, "depth_multiplier": 2}, (6, 2)),
    case("SeparableConv1D", {"filters": 4, "kernel_size": 4, "strides": 2, "padding": "same"}, (7, 3)),
    case("SeparableConv1D", {"filters": 2, "kernel_size": 2, "dilation_rate": 3, "padding": "same"}, (8, 2)),
    case("DepthwiseConv1D", {"kernel_size": 3}, (6, 3)),
    case("DepthwiseConv1D", {"kernel_size": 4, "strides": 2, "padding": "same", "depth_multiplier": 3}, (7, 2)),
    case("DepthwiseConv1D", {"kernel_size": 2, "dilation_rate": 2, "use_bias": False, "activation": "sigmoid", **FIRST}, (2, 7)),
    case("DepthwiseConv2D", {"kernel_size": [2, 4], "strides": 2, "padding": "same", "depth_multiplier": 2}, (5, 7, 2)),
    case("Conv1DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2}, (4, 2), **TF),
    case("Conv1DTranspose", {"filters": 2, "kernel_size": 4, "strides": 2, "padding": "same"}, (5, 3), **TF),
    case("Conv1DTranspose", {"filters": 2, "kernel_size": 2, "strides": 3, "padding": "same", "activation": "relu"}, (4, 2), **TF),
    case("Conv1DTranspose", {"filters": 2, "kernel_size": 3, "dilation_rate": 2}, (4, 2)),
    case("Conv1DTranspose", {"filters": 2, "kernel_size": 5, "strides": 3, "output_padding": 2}, (3, 2), **TF),
    case("Conv2DTranspose", {"filters": 2, "kernel_size": [4, 3], "strides": [2, 3], "padding": "same"}, (3, 2, 2), **TF),
    case("Conv3DTranspose", {"filters": 2, "kernel_size": [2, 3, 2], "strides": [1, 2, 2], "padding": "same"}, (2, 3, 2, 2), **TF),
    case("Conv3DTranspose", {"filters": 3, "kernel_size": 2, "strides": [3, 1, 2]}, (2, 1, 2, 2), **TF),
    case("Conv3DTranspose", {"filters": 2, "kernel_size": 2, "dilation_rate": 2, **FIRST}, (2, 1, 2, 2)),
]

MERGES = [
    case("Subtract", {}, (3, 4), (3, 4)),
    case("Subtract", {}, (3, 4), (1, 4), batch=1),
    case("Subtract", {}, (3, 4), (3, 4), masked=[0, 1], batch=3),
    case("Average", {}, (3, 4), (3, 4), (3, 4)),
    case("Average", {}, (2, 3), (3,)),
    case("Average", {}, (5, 2), (5, 2), masked=[1]),
    case("Maximum", {}, (3, 4), (3, 4), (3, 4)),
    case("Maximum", {}, (5, 2), (5, 2), (5, 2), masked=[0, 1], batch=3),
    case("Maximum", {}, (5, 2), (5, 2), masked=[1], batch=3),
    case("Minimum", {}, (3, 4), (3, 4)),
    case("Minimum", {}, (5, 2), (5, 2), (5, 2), masked=[0, 2], batch=3),
    case("Minimum", {}, (5, 2), (5, 2), masked=[0], batch=3),
    case("Multiply", {}, (5, 2), (5, 2), masked=[0, 1], batch=3),
    case("Multiply", {}, (5, 2), (5, 2), (5, 2), masked=[2], batch=3),
    case("Dot", {"axes": 1}, (4,), (4,)),
    case("Dot", {"axes": -1, "normalize": True}, (3, 4), (2, 4)),
    case("Dot", {"axes": [1, 2]}, (3, 4), (2, 3)),
    case("Dot", {"axes": [2, 1]}, (2, 3, 2), (3, 4)),
    case("Dot", {"axes": [1, 2], "normalize": True}, (3,), (2, 3)),
    case("Dot", {"axes": 2}, (3, 4), (2, 4), masked=[0]),
]

SHAPES = [
    case("RepeatVector", {"n": 3}, (4,)),
    case("Cropping1D", {}, (5, 2)),
    case("Cropping1D", {"cropping": [0, 2]}, (5, 2)),
    case("Cropping2D", {"cropping": [[1, 0], [2, 1]]}, (4, 5, 2)),
    case("Cropping2D", {"cropping": 1, **FIRST}, (2, 4, 5)),
    case("Cropping2D", {}, (2, 2, 1)),
    case("Cropping3D", {}, (3, 4, 5, 2)),
    case("Cropping3D", {"cropping": [[1, 0], [0, 2], [1, 1]], **FIRST}, (1, 3, 4, 5)),
    case("ZeroPadding1D", {"padding": [1, 2]}, (3, 2)),
    case("ZeroPadding1D", {"padding": 2, **FIRST}, (3, 2)),
    case("ZeroPadding3D", {}, (1, 2, 1, 2)),
    case("ZeroPadding3D", {"padding": [[0, 1], [1, 0], [2, 0]], **FIRST}, (2, 1, 2, 1)),
    case("UpSampling1D", {"size": 3}, (3, 2)),
    case("UpSampling2D", {"size": [2, 3], "interpolation": "bilinear"}, (2, 3, 2), **TF),
    case("UpSampling2D", {"size": [3, 4], "interpolation": "bilinear", **FIRST}, (2, 3, 1), **TF),
    case("UpSampling2D", {"size": [1, 5], "interpolation": "bilinear"}, (2, 1, 2), **TF),
    case("UpSampling3D", {"size": [1, 2, 3]}, (2, 1, 2, 2)),
    case("UpSampling3D", {**FIRST}, (2, 1, 2, 2)),
]

ACTIVATIONS = [
    case("ELU", {}, (9,)),
    case("ELU", {"alpha": 0.3}, (4, 3)),
    case("PReLU", {}, (3, 4)),
    case("PReLU", {"shared_axes": [1, 2]}, (2, 3, 4)),
    case("PReLU", {"shared_axes": 1}, (5, 2), masked=[0]),
    case("Softmax", {"axis": 1}, (4, 3)),
    case("Softmax", {"axis": [1, 2]}, (2, 3, 2)),
    case("Softmax", {}, (5,), (5,)),
    case("Softmax", {"axis": [-1]}, (3, 4), (3, 4)),
    case("Identity", {}, (4,)),
    case("Masking", {}, (5, 2)),
    case("Masking", {"mask_value": -2.5}, (5, 2)),
]

WRAPPERS = [
    case("TimeDistributed", {"layer": ("Dense", {"units": 3, "activation": "tanh", "name": "inner"})}, (4, 2)),
    case("TimeDistributed", {"layer": ("Conv2D", {"filters": 2, "kernel_size": 2, "strides": 2, "padding": "same", "name": "c"})}, (3, 3, 4, 2)),
    case("TimeDistributed", {"layer": ("Flatten", {})}, (3, 2, 2), masked=[]),
    case("TimeDistributed", {"layer": ("BatchNormalization", {"name": "bn"})}, (3, 2), training=True, batch=4),
    case("TimeDistributed", {"layer": ("BatchNormalization", {"name": "bn"})}, (5, 2), training=True, batch=3, masked=[0]),
    case("TimeDistributed", {"layer": ("LSTM", {"units": 2, "name": "l"})}, (3, 4, 2)),
    case("TimeDistributed", {"layer": ("TimeDistributed", {"layer": ("Dense", {"units": 2, "name": "d"}), "name": "t"})}, (2, 3, 2)),
    case("LSTM", {"units": 2}, (5, 2), masked=[0], batch=3),
    case("LSTM", {"units": 2, "return_sequences": True}, (5, 2), masked=[0], batch=3, before=("Identity", {})),
    case("LSTM", {"units": 2}, (5, 2), masked=[0], batch=3, before=("TimeDistributed", {"layer": ("Dense", {"units": 3, "name": "d"})})),
    case("GRU", {"units": 2}, (5, 2), masked=[0], batch=3, before=("PReLU", {"shared_axes": [1]})),
    case("LSTM", {"units": 2}, (5, 2), masked=[0], batch=3, before=("SpatialDropout1D", {"rate": 0.5})),
    case("LSTM", {"units": 2}, (5, 2), masked=[0], batch=3, before=("ELU", {})),
]

INACTIVE = [case(name, {"rate": 0.4}, (3, 4, 2, 2)[:rank]) for name, rank in [("GaussianDropout", 2), ("AlphaDropout", 2), ("SpatialDropout1D", 2),
                                                                             ("SpatialDropout2D", 3), ("SpatialDropout3D", 4)]]
INACTIVE += [case("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, (3, 4))]

VOLUMES = [
    case("Conv3D", {"filters": 2, "kernel_size": [2, 3, 2]}, (3, 3, 4, 2)),
    case("Conv3D", {"filters": 4, "kernel_size": 2, "strides": 2, "padding": "same", "groups": 2}, (3, 2, 3, 2)),
    case("Conv3D", {"filters": 2, "kernel_size": 2, "dilation_rate": [1, 2, 1], "use_bias": False, "activation": "relu", **FIRST}, (2, 2, 3, 3)),
    case("MaxPooling3D", {"pool_size": 2, "strides": 1, "padding": "same"}, (2, 3, 2, 2)),
    case("MaxPooling3D", {}, (3, 4, 2, 1)),
    case("MaxPooling3D", {"pool_size": [1, 2, 3], "strides": [1, 2, 2], "padding": "same", **FIRST}, (1, 2, 3, 5)),
    case("AveragePooling3D", {"pool_size": [2, 1, 3], "strides": 2, "padding": "same"}, (3, 2, 4, 2), **TF),
    case("AveragePooling3D", {"pool_size": 3, "strides": 2, "padding": "same"}, (3, 2, 4, 1), **TF),
    case("AveragePooling3D", {"pool_size": 2}, (3, 4, 2, 1)),
    case("AveragePooling3D", {"pool_size": 2, "strides": 1, **FIRST}, (1, 3, 2, 4)),
    case("GlobalMaxPooling3D", {}, (2, 3, 2, 2)),
    case("GlobalMaxPooling3D", {"keepdims": True, **FIRST}, (2, 3, 2, 2)),
    case("GlobalAveragePooling3D", {"keepdims": True}, (2, 3, 2, 2)),
    case("GlobalAveragePooling3D", {**FIRST}, (2, 3, 2, 2)),
    case("GlobalAveragePooling2D", {"keepdims": True, **FIRST}, (2, 3, 2)),
    case("GlobalMaxPooling1D", {"keepdims": True}, (4, 2)),
    case("GlobalAveragePooling1D", {"keepdims": True, **FIRST}, (4, 2)),
    case("AdaptiveAveragePooling1D", {"output_size": 3}, (7, 2)),
    case("AdaptiveAveragePooling1D", {"output_size": 2, **FIRST}, (2, 6)),
    case("AdaptiveAveragePooling2D", {"output_size": [2, 3]}, (5, 7, 2)),
    case("AdaptiveAveragePooling2D", {"output_size": 4, **FIRST}, (1, 3, 8)),
    case("AdaptiveAveragePooling3D", {"output_size": [1, 2, 2]}, (2, 3, 4, 1)),
    case("AdaptiveMaxPooling1D", {"output_size": 4}, (6, 2)),
    case("AdaptiveMaxPooling2D", {"output_size": [3, 2]}, (7, 4, 2)),
    case("AdaptiveMaxPooling2D", {"output_size": 2, **FIRST}, (2, 4, 6)),
    case("AdaptiveMaxPooling3D", {"output_size": [2, 1, 3]}, (3, 2, 4, 1)),
]

NORMALIZATIONS = [
    case("GroupNormalization", {"groups": 2}, (3, 2, 4)),
    case("GroupNormalization", {"groups": -1, "scale": False}, (5, 3)),
    case("GroupNormalization", {"groups": 3, "axis": 1, "center": False, "epsilon": 0.1}, (6, 2, 2)),
    case("GroupNormalization", {"groups": 1}, (5, 2), masked=[0]),
    case("GroupNormalization", {"groups": 2, "axis": -2}, (4, 3)),
    case("RMSNormalization", {}, (3, 4)),
    case("RMSNormalization", {"epsilon": 0.1}, (5,)),
    case("RMSNormalization", {"axis": [1, 2]}, (3, 4)),
    case("UnitNormalization", {}, (3, 4)),
    case("UnitNormalization", {"axis": 1}, (3, 4)),
    case("UnitNormalization", {"axis": [1, 2]}, (3, 4)),
]

EINSUMS = [
    case("EinsumDense", {"equation": "ab,bc->ac", "output_shape": 5, "bias_axes": "c"}, (3,)),
    case("EinsumDense", {"equation": "abc,cde->abde", "output_shape": [None, 2, 3], "bias_axes": "de", "activation": "tanh"}, (3, 4)),
    case("EinsumDense", {"equation": "...x,xy->...y", "output_shape": 4, "bias_axes": "y"}, (2, 3, 3)),
    case("EinsumDense", {"equation": "ab...,bcd->acd...", "output_shape": [2, 3]}, (3, 2)),
    case("EinsumDense", {"equation": "abc,bd->adc", "output_shape": [4, 3], "bias_axes": "d"}, (2, 3)),
    case("EinsumDense", {"equation": "abc,bcd->abd", "output_shape": [2, 3], "bias_axes": "bd"}, (2, 4)),
]

# Where a row may see nothing, torch passes gradients on to scores that Keras's TensorFlow replaces.
ATTENTION = [
    case("Attention", {}, (3, 4), (5, 4)),
    case("Attention", {"use_scale": True}, (3, 4), (5, 2), (5, 4)),
    case("Attention", {"use_scale": True, "score_mode": "concat"}, (3, 4), (2, 4), call={"use_causal_mask": True}),
    case("Attention", {}, (5, 3), (5, 3), masked=[0, 1], batch=3),
    case("Attention", {"score_mode": "concat"}, (4, 3), (5, 3), masked=[1], batch=3, call={"use_causal_mask": True}),
    case("Attention", {"dropout": 0.3}, (2, 3), (4, 3), call={"return_attention_scores": True}),
    case("AdditiveAttention", {}, (3, 4), (5, 4)),
    case("AdditiveAttention", {"use_scale": False}, (3, 4), (5, 2), (5, 4), call={"use_causal_mask": True}),
    case("AdditiveAttention", {}, (5, 3), (4, 3), masked=[0, 1], batch=3),
    case("GroupQueryAttention", {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2}, (3, 5), (4, 5)),
    case("GroupQueryAttention", {"head_dim": 2, "num_query_heads": 3, "num_key_value_heads": 1, "use_bias": False}, (3, 4), (3, 4), call={"use_causal_mask": True}),
    case("GroupQueryAttention", {"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 2, "use_gate": True, "sliding_window": 2}, (4, 3), (4, 3)),
    case("GroupQueryAttention", {"head_dim": 2, "num_query_heads": 2, "num_key_value_heads": 1}, (5, 3), (4, 3), masked=[0, 1], batch=3, **TF),
    case("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "value_dim": 2}, (5, 4), (4, 3), masked=[0, 1], batch=3, **TF),
    case("MultiHeadAttention", {"num_heads": 2, "key_dim": 3}, (5, 4), (4, 3), masked=[1], batch=3, **TF, call={"use_causal_mask": True}),
    case("MultiHeadAttention", {"num_heads": 2, "key_dim": 3, "dropout": 0.2}, (5, 4), (4, 3), masked=[0, 1], batch=3, **TF),
    case("MultiHeadAttention", {"num_heads": 2, "key_dim": 2, "use_gate": True, "value_dim": 3, "sliding_window": 1}, (3, 4), (3, 3)),
    case("MultiHeadAttention", {"num_heads": 2, "key_dim": 2, "attention_axes": [2], "output_shape": 3}, (2, 3, 4), (2, 4, 3)),
    case("MultiHeadAttention", {"num_heads": 1, "key_dim": 2, "attention_axes": [1]}, (3, 2, 4), (4, 2, 3), call={"use_causal_mask": True}),
    case("MultiHeadAttention", {"num_heads": 2, "key_dim": 2, "output_shape": [2, 3]}, (2, 2, 3), (2, 3, 3)),
    case("MultiHeadAttention", {"num_heads": 2, "key_dim": 2}, (3, 4), (2, 3), call={"return_attention_scores": True}),
]

LSTM_CELL = ("LSTMCell", {"units": 3, "name": "c"})
STACK = [("LSTMCell", {"units": 2, "name": "a"}), ("GRUCell", {"units": 3, "name": "b"}), ("LSTMCell", {"units": 2, "name": "d"})]
RECURRENT = [
    case("SimpleRNN", {"units": 3}, (4, 2)),
    case("SimpleRNN", {"units": 2, "return_sequences": True, "return_state": True, "go_backwards": True, "use_bias": False}, (5, 3)),
    case("SimpleRNN", {"units": 2, "return_sequences": True, "activation": "relu"}, (5, 2), masked=[0], batch=3),
    case("SimpleRNN", {"units": 3}, (4, 2), (3,)),
    case("RNN", {"cell": LSTM_CELL, "return_sequences": True}, (4, 2)),
    case("RNN", {"cell": ("GRUCell", {"units": 3, "reset_after": False, "name": "c"}), "go_backwards": True}, (5, 2), masked=[0], batch=3),
    case("RNN", {"cell": ("SimpleRNNCell", {"units": 3, "name": "c"}), "return_state": True}, (4, 2)),
    case("RNN", {"cell": LSTM_CELL, "return_sequences": True, "zero_output_for_mask": True, "go_backwards": True}, (5, 2), masked=[0], batch=3, **TF),
    case("RNN", {"cell": LSTM_CELL, "zero_output_for_mask": True}, (5, 2), masked=[0], batch=3, **TF),
    case("RNN", {"cell": ("StackedRNNCells", {"cells": STACK, "name": "s"}), "return_sequences": True, "return_state": True}, (4, 2)),
    case("RNN", {"cell": ("StackedRNNCells", {"cells": STACK, "name": "s"})}, (4, 2)),
    case("RNN", {"cell": ("StackedRNNCells", {"cells": STACK, "name": "s"}), "go_backwards": True, "return_sequences": True}, (5, 2), masked=[0], batch=3),
    case("Bidirectional", {"layer": ("RNN", {"cell": LSTM_CELL, "return_sequences": True, "name": "r"})}, (5, 2), masked=[0], batch=3),
    case("Bidirectional", {"layer": ("SimpleRNN", {"units": 2, "name": "r"}), "merge_mode": "sum"}, (4, 2)),
    case("TimeDistributed", {"layer": ("SimpleRNN", {"units": 2, "name": "r"})}, (3, 4, 2)),
    case("LSTMCell", {"units": 3}, (2,), (3,), (3,)),
    case("GRUCell", {"units": 2, "reset_after": False}, (3,), (2,)),
    case("SimpleRNNCell", {"units": 2, "activation": "relu"}, (3,), (2,)),
]

CONV_LSTM = [
    case("ConvLSTM1D", {"filters": 3, "kernel_size": 2}, (3, 5, 2)),
    case("ConvLSTM1D", {"filters": 2, "kernel_size": 3, "padding": "same", "strides": 2, "return_sequences": True, "return_state": True,
                        "go_backwards": True}, (3, 7, 2)),
    case("ConvLSTM2D", {"filters": 2, "kernel_size": [2, 3], "padding": "same", "return_sequences": True}, (3, 4, 5, 2)),
    case("ConvLSTM2D", {"filters": 2, "kernel_size": 2, "dilation_rate": 2, "use_bias": False, "unit_forget_bias": False,
                        "activation": "relu", "recurrent_activation": "hard_sigmoid"}, (2, 5, 4, 2)),
    case("ConvLSTM2D", {"filters": 2, "kernel_size": 3, "padding": "same", "return_sequences": True, **FIRST}, (2, 2, 3, 4)),
    case("ConvLSTM2D", {"filters": 2, "kernel_size": 2}, (2, 3, 4, 1), (2, 3, 2), (2, 3, 2)),
    case("ConvLSTM3D", {"filters": 2, "kernel_size": 2, "return_state": True}, (2, 2, 3, 2, 2)),
    case("Bidirectional", {"layer": ("ConvLSTM1D", {"filters": 2, "kernel_size": 2, "padding": "same", "return_sequences": True, "name": "c"})}, (3, 4, 2)),
]

CASES = CONVOLUTIONS + MERGES + SHAPES + ACTIVATIONS + WRAPPERS + INACTIVE + VOLUMES + NORMALIZATIONS + EINSUMS + ATTENTION + RECURRENT + CONV_LSTM
