#include <cmath>

#include "layers/noise.h"
#include "ops/builders.h"

namespace dl {
namespace {

// The value that selu has far left: -alpha * scale.
constexpr double kSeluFloor = -1.6732632423543772848170429916717 * 1.0507009873554804934193349852946;

}  // namespace

const LayerDef layer_alpha_dropout = {
    .class_name = "AlphaDropout",
    .summary = "In training, sets a share `rate` to selu's lower bound and keeps mean and variance; for networks of selu.",
    .masking = Masking::kPass,
    .keys = {dropout_rate_key(true), any_key("noise_shape"), seed_key()},
    .check = check_noise_shape,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = inputs[0].value;
      const double rate = context.config().real("rate");
      if (!context.training() || rate == 0) return {{x, {}}};
      const double scale = 1 / std::sqrt((1 - rate) * (1 + rate * kSeluFloor * kSeluFloor)), shift = -scale * kSeluFloor * rate;
      const Var dropped = select(random_keep(context, noise_shape(context, x), rate), x, kSeluFloor);
      return {{dropped * scale + shift, {}}};
    },
};

}  // namespace dl
