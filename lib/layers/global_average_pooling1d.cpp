#include "layers/pooling.h"

namespace dl {

const LayerDef layer_global_average_pooling1d = {
    .class_name = "GlobalAveragePooling1D",
    .summary = "Mean over the steps of a sequence that the mask keeps.",
    .masking = Masking::kOwn,
    .keys = global_pooling_keys(),
    .build = [](LayerContext& context,
                std::span<const MaskedVar> inputs) { return build_global_pooling(context, inputs, 1, Pooling::kAverage); },
};

}  // namespace dl
