#include "layers/pooling.h"

namespace dl {

const LayerDef layer_global_average_pooling3d = {
    .class_name = "GlobalAveragePooling3D",
    .summary = "Mean over a volume.",
    .keys = global_pooling_keys(),
    .build = [](LayerContext& context,
                std::span<const MaskedVar> inputs) { return build_global_pooling(context, inputs, 3, Pooling::kAverage); },
};

}  // namespace dl
