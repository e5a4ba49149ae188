#include "layers/pooling.h"

namespace dl {

const LayerDef layer_average_pooling3d = {
    .class_name = "AveragePooling3D",
    .summary = "Mean over windows of a volume; padding does not count.",
    .keys = pooling_keys(3, false),
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_pooling(context, inputs, 3, Pooling::kAverage); },
};

}  // namespace dl
