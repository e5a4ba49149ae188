#include "layers/conv_layer.h"
#include "layers/depthwise.h"

namespace dl {

const LayerDef layer_separable_conv1d = {
    .class_name = "SeparableConv1D",
    .summary = "1-D convolution of each channel by itself, then one of size 1 that mixes the channels.",
    .keys = separable_conv_keys(1),
    .check = check_conv,
    .build = build_separable_conv,
};

}  // namespace dl
