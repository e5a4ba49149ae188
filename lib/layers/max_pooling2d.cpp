#include "layers/pooling.h"

namespace dl {

const LayerDef layer_max_pooling2d = {
    .class_name = "MaxPooling2D",
    .summary = "Maximum over windows of an image.",
    .keys = pooling_keys(2, true),
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_pooling(context, inputs, 2, Pooling::kMax); },
};

}  // namespace dl
