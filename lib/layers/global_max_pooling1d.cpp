#include "layers/pooling.h"

namespace dl {

const LayerDef layer_global_max_pooling1d = {
    .class_name = "GlobalMaxPooling1D",
    .summary = "Maximum over the steps of a sequence.",
    .keys = global_pooling_keys(),
    .build = [](LayerContext& context,
                std::span<const MaskedVar> inputs) { return build_global_pooling(context, inputs, 1, Pooling::kMax); },
};

}  // namespace dl
