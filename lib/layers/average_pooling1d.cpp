#include "layers/pooling.h"

namespace dl {

const LayerDef layer_average_pooling1d = {
    .class_name = "AveragePooling1D",
    .summary = "Mean over windows of a sequence; padding does not count.",
    .keys = pooling_keys(1, false),
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_pooling(context, inputs, 1, Pooling::kAverage); },
};

}  // namespace dl
