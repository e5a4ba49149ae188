#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_elu = {
    .class_name = "ELU",
    .summary = "x above 0, alpha * (exp(x) - 1) below.",
    .masking = Masking::kPass,
    .keys = {float_key("alpha", 1.0, -std::numeric_limits<double>::infinity())},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = inputs[0].value;
      // The side not chosen must not overflow, or its zero gradient would become NaN.
      return {{select(greater(x, 0.0), x, expm1(minimum(x, 0.0)) * context.config().real("alpha")), {}}};
    },
};

}  // namespace dl
