#include <numbers>

#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_gaussian_noise = {
    .class_name = "GaussianNoise",
    .summary = "In training, adds normal noise of mean 0.",
    .masking = Masking::kPass,
    .keys = {{.name = "stddev", .kind = KeyKind::kFloat, .required = true, .min = 0}, seed_key()},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = inputs[0].value;
      const double stddev = context.config().real("stddev");
      if (!context.training() || stddev == 0) return {{x, {}}};
      // Box-Muller; 1 - u is above 0.
      const Var radius = sqrt(-2.0 * log(1.0 - context.random_uniform(x.shape(), context.config().node("seed"))));
      const Var angle = 2 * std::numbers::pi * context.random_uniform(x.shape(), context.config().node("seed"));
      return {{x + cast(stddev * radius * cos(angle), x.dtype()), {}}};
    },
};

}  // namespace dl
