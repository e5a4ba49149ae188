#include "layers/conv_layer.h"

namespace dl {

const LayerDef layer_conv3d = {
    .class_name = "Conv3D",
    .summary = "3-D convolution over volumes; kernel [depth, height, width, in / groups, filters].",
    .keys = conv_keys(3, {"valid", "same"}),
    .check = check_conv,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_conv(context, inputs, 3); },
};

}  // namespace dl
