#include "layers/conv_layer.h"

namespace dl {

const LayerDef layer_conv2d = {
    .class_name = "Conv2D",
    .summary = "2-D convolution over images; kernel [height, width, in / groups, filters].",
    .keys = conv_keys(2, {"valid", "same"}),
    .check = check_conv,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_conv(context, inputs, 2); },
};

}  // namespace dl
