#include <cmath>

#include "layers/noise.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_gaussian_dropout = {
    .class_name = "GaussianDropout",
    .summary = "In training, multiplies by normal noise of mean 1 and standard deviation sqrt(rate / (1 - rate)).",
    .masking = Masking::kPass,
    .keys = {dropout_rate_key(true), seed_key()},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = inputs[0].value;
      const double rate = context.config().real("rate");
      if (!context.training() || rate == 0) return {{x, {}}};
      const Var factor = 1.0 + std::sqrt(rate / (1 - rate)) * random_normal(context, x.shape());
      return {{x * cast(factor, x.dtype()), {}}};
    },
};

}  // namespace dl
