#include "layers/conv_transpose.h"

namespace dl {

const LayerDef layer_conv1d_transpose = {
    .class_name = "Conv1DTranspose",
    .summary = "Transposed 1-D convolution; kernel [time, filters, in].",
    .keys = conv_transpose_keys(1),
    .check = check_conv_transpose,
    .build = build_conv_transpose,
};

}  // namespace dl
