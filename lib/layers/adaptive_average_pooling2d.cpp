#include "layers/adaptive_pooling.h"

namespace dl {

const LayerDef layer_adaptive_average_pooling2d = {
    .class_name = "AdaptiveAveragePooling2D",
    .summary = "Mean over the windows that divide an image into output_size parts.",
    .keys = adaptive_pooling_keys(2),
    .build = [](LayerContext& context,
                std::span<const MaskedVar> inputs) { return build_adaptive_pooling(context, inputs, Pooling::kAverage); },
};

}  // namespace dl
