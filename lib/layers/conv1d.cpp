#include "layers/conv_layer.h"

namespace dl {

const LayerDef layer_conv1d = {
    .class_name = "Conv1D",
    .summary = "1-D convolution over sequences; kernel [width, in / groups, filters].",
    .keys = conv_keys(1, {"valid", "same", "causal"}),
    .check = check_conv,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_conv(context, inputs, 1); },
};

}  // namespace dl
