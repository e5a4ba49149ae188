#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_leaky_relu = {
    .class_name = "LeakyReLU",
    .summary = "x above 0, negative_slope * x below.",
    .masking = Masking::kPass,
    .keys = {float_key("negative_slope", 0.3, 0)},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = inputs[0].value;
      return {{select(less(x, 0.0), x * context.config().real("negative_slope"), x), {}}};
    },
};

}  // namespace dl
