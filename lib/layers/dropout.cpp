#include "layers/noise.h"

namespace dl {

const LayerDef layer_dropout = {
    .class_name = "Dropout",
    .summary = "In training, zeroes a share `rate` of the elements and scales the others by 1 / (1 - rate).",
    .masking = Masking::kPass,
    .keys = {dropout_rate_key(false), any_key("noise_shape"), seed_key()},
    .check = check_noise_shape,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = inputs[0].value;
      return {{drop_elements(context, x, noise_shape(context, x), context.config().real("rate")), {}}};
    },
};

}  // namespace dl
