#include "layers/noise.h"

namespace dl {

const LayerDef layer_spatial_dropout1d = {
    .class_name = "SpatialDropout1D",
    .summary = "In training, zeroes a share `rate` of the channels of a sample and scales the others by 1 / (1 - rate).",
    .masking = Masking::kPass,
    .keys = spatial_dropout_keys(1),
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_spatial_dropout(context, inputs, 1); },
};

}  // namespace dl
