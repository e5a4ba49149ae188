"""The cases of make_keras_gradients.py: one dict per configuration, written once for Keras and for dltool's YAML.

layer, config: class and arguments, an inner layer being (class, arguments). shapes: of the inputs, without the batch.
masked: inputs that pass through Masking, with some steps set to 0. integers: the inputs are integers below that. call: arguments
of the call, which are keys of the layer in YAML. before: a layer between input and layer. backend: which Keras backend judges.
forward: no gradients, where TensorFlow's are not those of the function, or it has none. training: layers that draw numbers are given
a range of one number.
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

IMAGES = [
    case("Resizing", {"height": 8, "width": 3}, (5, 7, 2)),
    case("Resizing", {"height": 3, "width": 11, "interpolation": "nearest"}, (5, 7, 2)),
    case("Resizing", {"height": 7, "width": 4, "interpolation": "bicubic"}, (4, 9, 2)),
    case("Resizing", {"height": 4, "width": 9, "interpolation": "lanczos3"}, (9, 5, 1)),
    case("Resizing", {"height": 10, "width": 3, "interpolation": "lanczos5"}, (6, 8, 2)),
    case("Resizing", {"height": 3, "width": 4, "antialias": True}, (8, 5, 2)),
    case("Resizing", {"height": 3, "width": 8, "antialias": True, "interpolation": "bicubic"}, (10, 5, 1)),
    case("Resizing", {"height": 2, "width": 5, "antialias": True, "interpolation": "lanczos3"}, (7, 11, 1)),
    case("Resizing", {"height": 1, "width": 1, "interpolation": "bicubic"}, (4, 1, 2)),
    case("Resizing", {"height": 4, "width": 6, "crop_to_aspect_ratio": True}, (7, 5, 2)),
    case("Resizing", {"height": 5, "width": 2, "crop_to_aspect_ratio": True, "interpolation": "nearest"}, (4, 9, 1)),
    case("Resizing", {"height": 4, "width": 6, "pad_to_aspect_ratio": True, "fill_value": 0.3}, (6, 4, 2)),
    case("Resizing", {"height": 5, "width": 3, "pad_to_aspect_ratio": True, "interpolation": "bicubic", "antialias": True}, (4, 9, 2)),
    case("Resizing", {"height": 3, "width": 6, "interpolation": "bicubic", **FIRST}, (2, 5, 4)),
    case("Resizing", {"height": 3, "width": 5, "crop_to_aspect_ratio": True, **FIRST}, (2, 4, 9)),
    case("Resizing", {"height": 3, "width": 5}, (4, 3, 2), integers=200),
    case("Resizing", {"height": 3, "width": 5, "interpolation": "nearest"}, (4, 3, 2), integers=200),
    case("Resizing", {"height": 8, "width": 3, "antialias": True}, (11, 4, 2), integers=256),
    case("CenterCrop", {"height": 3, "width": 2}, (6, 5, 2)),
    case("CenterCrop", {"height": 4, "width": 7}, (5, 5, 2)),
    case("CenterCrop", {"height": 2, "width": 3, **FIRST}, (2, 5, 4)),
    case("CenterCrop", {"height": 3, "width": 3}, (3, 4, 2), integers=9),
]

UNIT = {"value_range": [0, 1]}
WIDE = {"value_range": [-1, 1]}
CHANGES = {"height_factor": [0.3, 0.3], "width_factor": [-0.45, -0.45]}
TURN = {"factor": [0.13, 0.13]}
AUGMENTATIONS = [
    case("RandomTranslation", {**CHANGES}, (5, 6, 2)),
    case("RandomTranslation", {**CHANGES, "fill_mode": "wrap"}, (5, 6, 2)),
    case("RandomTranslation", {**CHANGES, "fill_mode": "constant", "fill_value": 0.7}, (5, 6, 2)),
    case("RandomTranslation", {**CHANGES, "fill_mode": "nearest", "interpolation": "nearest"}, (5, 6, 2)),
    case("RandomTranslation", {"height_factor": [-1, -1], "width_factor": [0.9, 0.9], **FIRST}, (1, 4, 3)),
    case("RandomRotation", {**TURN}, (5, 7, 2)),
    case("RandomRotation", {**TURN, "fill_mode": "wrap"}, (4, 3, 1)),
    case("RandomRotation", {"factor": [-0.3, -0.3], "fill_mode": "constant", "fill_value": -2.5}, (6, 5, 2)),
    case("RandomRotation", {"factor": [0.4, 0.4], "fill_mode": "nearest", **FIRST}, (2, 5, 4)),
    case("RandomRotation", {**TURN, "interpolation": "nearest", "fill_mode": "constant"}, (6, 5, 2)),
    case("RandomZoom", {"height_factor": [0.4, 0.4], "width_factor": [-0.3, -0.3]}, (6, 5, 2)),
    case("RandomZoom", {"height_factor": [0.9, 0.9], "fill_mode": "wrap"}, (4, 7, 2)),
    case("RandomZoom", {"height_factor": [0.5, 0.5], "fill_mode": "constant", "fill_value": 1.5, "interpolation": "nearest", **FIRST}, (2, 4, 6)),
    case("RandomShear", {"x_factor": 0.0}, (4, 5, 2)),
    case("RandomPerspective", {"factor": [1, 1], "scale": 0.0}, (4, 5, 2)),
    case("RandomCrop", {"height": 6, "width": 4}, (5, 7, 2)),
    case("RandomCrop", {"height": 3, "width": 9}, (5, 7, 2)),
    case("RandomSaturation", {"factor": [0.3, 0.3], **UNIT}, (3, 4, 3)),
    case("RandomSaturation", {"factor": [0.8, 0.8], **UNIT, **FIRST}, (3, 4, 2)),
    case("RandomHue", {"factor": [1, 1], **WIDE}, (3, 4, 3)),
    case("RandomHue", {"factor": [0, 0], **WIDE, **FIRST}, (3, 3, 4)),
    case("RandomHue", {"factor": [1, 1], **UNIT}, (5, 4, 3)),
    case("RandomColorJitter", {"brightness_factor": [0.1, 0.1], "saturation_factor": [0.4, 0.4], "hue_factor": [1, 1], **WIDE}, (4, 5, 3)),
    case("RandomGrayscale", {"factor": 1.0}, (4, 5, 3)),
    case("RandomGrayscale", {"factor": 1.0, **FIRST}, (3, 4, 5)),
    case("RandomGrayscale", {"factor": 0.0}, (4, 5, 3)),
    case("RandomInvert", {"factor": [1, 1], **WIDE}, (4, 5, 3)),
    case("RandomPosterization", {"factor": [3, 3], **WIDE}, (4, 5, 3)),
    case("RandomPosterization", {"factor": [1, 1], "value_range": [-1, 2]}, (4, 5, 2)),
    case("RandomPosterization", {"factor": [8, 8], **WIDE, **FIRST}, (2, 4, 5)),
    case("Solarization", {**WIDE}, (4, 5, 3)),
    case("Solarization", {"threshold_factor": [0, 0], "value_range": [-1.5, 1]}, (4, 5, 2)),
    case("RandomErasing", {"factor": [1, 1], "scale": [1, 1], "fill_value": 0.6, **UNIT}, (4, 5, 3)),
    case("RandomErasing", {"factor": [1, 1], "scale": [1, 1], "fill_value": [0.2, 0.4, 7.0], **UNIT}, (4, 5, 3)),
    case("RandomErasing", {"factor": [0, 0]}, (4, 5, 3)),
    case("AutoContrast", {**WIDE}, (4, 5, 3)),
    case("AutoContrast", {"value_range": [-2, 3], **FIRST}, (3, 4, 5)),
    case("MixUp", {}, (4, 5, 3), batch=1),
    case("CutMix", {}, (4, 5, 3), batch=1),
]
AUGMENTATIONS = [{**c, "training": True, "forward": True} for c in AUGMENTATIONS]
AUGMENTATIONS += [case(*c[:2], *c[2:], training=True) for c in [
    ("RandomContrast", {"factor": [-0.4, 0.4], **WIDE}, (3, 4, 2)),
    ("RandomContrast", {"factor": [-0.2, 0.2], "value_range": [-0.5, 0.6], **FIRST}, (2, 4, 5)),
    ("RandomBrightness", {"factor": [0.3, 0.3], **WIDE}, (3, 4, 2)),
    ("RandomBrightness", {"factor": [-0.2, -0.2], "value_range": [1, 0]}, (3, 4, 1)),
    ("RandomColorDegeneration", {"factor": [0.3, 0.3], **WIDE}, (3, 4, 3)),
    ("RandomColorDegeneration", {"factor": [0.9, 0.9], **UNIT, **FIRST}, (3, 4, 5)),
    ("RandomSharpness", {"factor": [0.8, 0.8], **WIDE}, (5, 4, 3)),
    ("RandomSharpness", {"factor": [0.2, 0.2], "value_range": [-9, 9], **FIRST}, (2, 4, 5)),
    ("RandomGaussianBlur", {"factor": [1, 1], "sigma": [0.7, 0.7], "kernel_size": [3, 5], **WIDE}, (6, 5, 2)),
    ("RandomGaussianBlur", {"factor": [1, 1], "sigma": 0.0, **UNIT, **FIRST}, (2, 4, 5)),
]]
# What they are at inference.
AUGMENTATIONS += [case(name, config, (3, 4, 3)) for name, config in [
    ("RandomFlip", {}), ("RandomFlip", {"mode": "horizontal", "seed": 3}), ("RandomFlip", {"mode": "vertical"}), ("RandomCrop", {"height": 2, "width": 3}),
    ("RandomTranslation", {"height_factor": 0.2, "width_factor": [0.1, 0.3]}), ("RandomRotation", {"factor": 0.2}), ("RandomZoom", {"height_factor": 0.3}),
    ("RandomShear", {"x_factor": 0.3, "y_factor": [0.1, 0.2]}), ("RandomPerspective", {"factor": 0.4}), ("RandomContrast", {"factor": 0.2}),
    ("RandomBrightness", {"factor": 0.2}), ("RandomSaturation", {"factor": 0.2}), ("RandomHue", {"factor": 0.2}), ("RandomColorJitter", {"hue_factor": 0.1}),
    ("RandomGrayscale", {}), ("RandomInvert", {"factor": 0.3}), ("RandomPosterization", {"factor": 4}), ("Solarization", {"addition_factor": 0.3}),
    ("RandomErasing", {}), ("AutoContrast", {"value_range": [-1, 1]}), ("MixUp", {"alpha": 0.4}), ("CutMix", {"factor": 0.4}),
    ("RandomColorDegeneration", {"factor": 0.4}), ("RandomSharpness", {"factor": 0.4}), ("RandomGaussianBlur", {"kernel_size": 5})] if name != "AutoContrast"]

CATEGORIES = [
    case("CategoryEncoding", {"num_tokens": 7}, (4,), integers=7),
    case("CategoryEncoding", {"num_tokens": 5, "output_mode": "count"}, (6,), integers=7),
    case("CategoryEncoding", {"num_tokens": 6, "output_mode": "one_hot"}, (3,), integers=6),
    case("CategoryEncoding", {"num_tokens": 6, "output_mode": "one_hot"}, (1,), integers=6),
    case("CategoryEncoding", {"num_tokens": 6, "output_mode": "one_hot"}, (2, 3), integers=6),
    case("CategoryEncoding", {"num_tokens": 4, "output_mode": "multi_hot"}, (3, 2), integers=4),
    case("CategoryEncoding", {"num_tokens": 4, "output_mode": "count"}, (3, 2), integers=4),
    case("CategoryEncoding", {"num_tokens": 5, "output_mode": "count"}, (6,), (6,), integers=5),
    case("Discretization", {"bin_boundaries": [-0.5, 0.0, 0.25]}, (3, 4)),
    case("Discretization", {"bin_boundaries": [0.0], "output_mode": "one_hot"}, (1,)),
    case("Discretization", {"bin_boundaries": [-0.6, -0.2, 0.1, 0.2, 0.7], "output_mode": "multi_hot"}, (4,)),
    case("Discretization", {"bin_boundaries": [-0.6, -0.2, 0.1, 0.2], "output_mode": "count"}, (7,)),
    case("Discretization", {"bin_boundaries": [2.0, 3.0, 5.0, 5.0, 6.0, 8.0, 9.0]}, (6,), integers=12),
    case("IntegerLookup", {"vocabulary": [3, 7, 1]}, (5,), integers=9),
    case("IntegerLookup", {"vocabulary": [8, 2, 5, 4], "num_oov_indices": 3, "mask_token": 0}, (3, 4), integers=9),
    case("IntegerLookup", {"vocabulary": [0, 6, 5, 4], "mask_token": 2, "oov_token": 1}, (6,), integers=9),
    case("IntegerLookup", {"vocabulary": [0, -1, 6, 5, 4], "mask_token": 0}, (6,), integers=9),
    case("IntegerLookup", {"vocabulary": [4, 1, 0, 6, 3, 2, 5], "num_oov_indices": 0}, (4,), integers=7),
    case("IntegerLookup", {"vocabulary": [30, 70, 10], "invert": True, "oov_token": -5}, (6,), integers=6),
    case("IntegerLookup", {"vocabulary": [30, 70, 10], "invert": True, "mask_token": 99, "num_oov_indices": 2}, (6,), integers=8),
    case("IntegerLookup", {"vocabulary": [3, 7, 1], "output_mode": "one_hot"}, (1,), integers=9),
    case("IntegerLookup", {"vocabulary": [3, 7, 1], "output_mode": "multi_hot", "mask_token": 2, "num_oov_indices": 2}, (5,), integers=9),
    case("IntegerLookup", {"vocabulary": [3, 7, 1], "output_mode": "count", "max_tokens": 6, "pad_to_max_tokens": True}, (5,), integers=9),
    case("IntegerLookup", {"vocabulary": [3, 7, 1], "output_mode": "tf_idf", "idf_weights": [0.5, 0.25, 1.5]}, (5,), integers=9),
]

SPECTRA = [
    case("MelSpectrogram", {"fft_length": 64, "sequence_stride": 20, "sampling_rate": 8000, "num_mel_bins": 10}, (200,), forward=True),
    case("MelSpectrogram", {"fft_length": 64, "sequence_length": 50, "sequence_stride": 17, "sampling_rate": 8000, "num_mel_bins": 7, "window": "hamming",
                            "power_to_db": False, "mag_exp": 1.0, "min_freq": 100.0, "max_freq": 3000}, (2, 150), forward=True),
    case("MelSpectrogram", {"fft_length": 32, "sequence_length": 31, "sequence_stride": 5, "sampling_rate": 4000, "num_mel_bins": 5, "top_db": 20.0,
                            "ref_power": -3.0, "min_power": 1e-3, "mag_exp": 1.5}, (90,), forward=True),
    case("MelSpectrogram", {"fft_length": 16, "sequence_length": 11, "sequence_stride": 4, "num_mel_bins": 4, "window": None, "power_to_db": False}, (50,), forward=True),
    case("STFTSpectrogram", {"frame_length": 8, "window": None}, (30, 2)),
    case("STFTSpectrogram", {"mode": "magnitude", "frame_length": 6, "frame_step": 2, "padding": "same", "window": None, "expand_dims": True}, (20, 2)),
    case("STFTSpectrogram", {"mode": "psd", "frame_length": 5, "fft_length": 8, "window": None}, (21, 1)),
    case("STFTSpectrogram", {"mode": "real", "frame_length": 4, "window": None}, (13, 2)),
    case("STFTSpectrogram", {"mode": "imag", "frame_length": 4, "window": None, "expand_dims": True}, (13, 2)),
    case("STFTSpectrogram", {"mode": "angle", "frame_length": 4, "frame_step": 1, "window": None}, (9, 1)),
    case("STFTSpectrogram", {"mode": "stft", "frame_length": 4, "window": None, "scaling": None}, (13, 2)),
]

PREPROCESSING = [{**c, **TF} for c in IMAGES + AUGMENTATIONS + CATEGORIES + SPECTRA]

CASES = CONVOLUTIONS + MERGES + SHAPES + ACTIVATIONS + WRAPPERS + INACTIVE + VOLUMES + NORMALIZATIONS + EINSUMS + ATTENTION + RECURRENT + CONV_LSTM + PREPROCESSING
