#include "layers/pooling.h"

namespace dl {

const LayerDef layer_global_max_pooling2d = {
    .class_name = "GlobalMaxPooling2D",
    .summary = "Maximum over an image.",
    .keys = global_pooling_keys(),
    .build = [](LayerContext& context,
                std::span<const MaskedVar> inputs) { return build_global_pooling(context, inputs, 2, Pooling::kMax); },
};

}  // namespace dl
