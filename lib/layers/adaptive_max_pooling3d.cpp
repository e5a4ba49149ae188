#include "layers/adaptive_pooling.h"

namespace dl {

const LayerDef layer_adaptive_max_pooling3d = {
    .class_name = "AdaptiveMaxPooling3D",
    .summary = "Maximum over the windows that divide a volume into output_size parts.",
    .keys = adaptive_pooling_keys(3),
    .build = [](LayerContext& context,
                std::span<const MaskedVar> inputs) { return build_adaptive_pooling(context, inputs, Pooling::kMax); },
};

}  // namespace dl
