#include "layers/pooling.h"

namespace dl {

const LayerDef layer_global_average_pooling2d = {
    .class_name = "GlobalAveragePooling2D",
    .summary = "Mean over an image.",
    .keys = global_pooling_keys(),
    .build = [](LayerContext& context,
                std::span<const MaskedVar> inputs) { return build_global_pooling(context, inputs, 2, Pooling::kAverage); },
};

}  // namespace dl
