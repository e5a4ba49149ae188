#include "layers/noise.h"
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
      return {{x + cast(stddev * random_normal(context, x.shape()), x.dtype()), {}}};
    },
};

}  // namespace dl
