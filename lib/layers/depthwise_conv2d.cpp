#include "layers/conv_layer.h"
#include "layers/depthwise.h"

namespace dl {

const LayerDef layer_depthwise_conv2d = {
    .class_name = "DepthwiseConv2D",
    .summary = "2-D convolution of each channel by itself; kernel [height, width, in, depth_multiplier].",
    .keys = depthwise_conv_keys(2),
    .check = check_conv,
    .build = build_depthwise_conv,
};

}  // namespace dl
