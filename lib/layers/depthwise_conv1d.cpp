#include "layers/conv_layer.h"
#include "layers/depthwise.h"

namespace dl {

const LayerDef layer_depthwise_conv1d = {
    .class_name = "DepthwiseConv1D",
    .summary = "1-D convolution of each channel by itself; kernel [time, in, depth_multiplier].",
    .keys = depthwise_conv_keys(1),
    .check = check_conv,
    .build = build_depthwise_conv,
};

}  // namespace dl
