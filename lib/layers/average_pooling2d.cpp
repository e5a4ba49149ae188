#include "layers/pooling.h"

namespace dl {

const LayerDef layer_average_pooling2d = {
    .class_name = "AveragePooling2D",
    .summary = "Mean over windows of an image; padding does not count.",
    .keys = pooling_keys(2, false),
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_pooling(context, inputs, 2, Pooling::kAverage); },
};

}  // namespace dl
