#include "layers/conv_transpose.h"

namespace dl {

const LayerDef layer_conv2d_transpose = {
    .class_name = "Conv2DTranspose",
    .summary = "Transposed 2-D convolution; kernel [height, width, filters, in].",
    .keys = conv_transpose_keys(2),
    .check = check_conv_transpose,
    .build = build_conv_transpose,
};

}  // namespace dl
