#include "layers/pooling.h"

namespace dl {

const LayerDef layer_max_pooling1d = {
    .class_name = "MaxPooling1D",
    .summary = "Maximum over windows of a sequence.",
    .keys = pooling_keys(1, true),
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_pooling(context, inputs, 1, Pooling::kMax); },
};

}  // namespace dl
