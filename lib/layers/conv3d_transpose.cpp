#include "layers/conv_transpose.h"

namespace dl {

const LayerDef layer_conv3d_transpose = {
    .class_name = "Conv3DTranspose",
    .summary = "Transposed 3-D convolution; kernel [depth, height, width, filters, in].",
    .keys = conv_transpose_keys(3),
    .check = check_conv_transpose,
    .build = build_conv_transpose,
};

}  // namespace dl
