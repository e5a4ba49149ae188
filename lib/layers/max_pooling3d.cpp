#include "layers/pooling.h"

namespace dl {

const LayerDef layer_max_pooling3d = {
    .class_name = "MaxPooling3D",
    .summary = "Maximum over windows of a volume.",
    .keys = pooling_keys(3, true),
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_pooling(context, inputs, 3, Pooling::kMax); },
};

}  // namespace dl
