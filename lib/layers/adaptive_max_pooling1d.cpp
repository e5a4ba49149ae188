#include "layers/adaptive_pooling.h"

namespace dl {

const LayerDef layer_adaptive_max_pooling1d = {
    .class_name = "AdaptiveMaxPooling1D",
    .summary = "Maximum over the windows that divide a sequence into output_size parts.",
    .keys = adaptive_pooling_keys(1),
    .build = [](LayerContext& context,
                std::span<const MaskedVar> inputs) { return build_adaptive_pooling(context, inputs, Pooling::kMax); },
};

}  // namespace dl
