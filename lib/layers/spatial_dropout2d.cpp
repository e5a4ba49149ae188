#include "layers/noise.h"

namespace dl {

const LayerDef layer_spatial_dropout2d = {
    .class_name = "SpatialDropout2D",
    .summary = "In training, zeroes a share `rate` of the channels of a sample and scales the others by 1 / (1 - rate).",
    .masking = Masking::kPass,
    .keys = spatial_dropout_keys(2),
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_spatial_dropout(context, inputs, 2); },
};

}  // namespace dl
