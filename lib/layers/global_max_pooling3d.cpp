#include "layers/pooling.h"

namespace dl {

const LayerDef layer_global_max_pooling3d = {
    .class_name = "GlobalMaxPooling3D",
    .summary = "Maximum over a volume.",
    .keys = global_pooling_keys(),
    .build = [](LayerContext& context,
                std::span<const MaskedVar> inputs) { return build_global_pooling(context, inputs, 3, Pooling::kMax); },
};

}  // namespace dl
