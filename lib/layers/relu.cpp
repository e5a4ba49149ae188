#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_relu = {
    .class_name = "ReLU",
    .summary = "max(x, 0), with a slope below the threshold and a maximum if wanted.",
    .masking = Masking::kPass,
    .keys = {{.name = "max_value", .kind = KeyKind::kFloat, .min = 0}, float_key("negative_slope", 0, 0), float_key("threshold", 0, 0)},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Config& config = context.config();
      const Var x = inputs[0].value;
      const double slope = config.real("negative_slope"), threshold = config.real("threshold");
      Var y = threshold == 0 ? relu(x) : select(greater(x, threshold), x, 0.0);
      if (config.given("max_value")) y = minimum(y, config.real("max_value"));
      if (slope != 0) y = y - slope * relu(threshold - x);
      return {{y, {}}};
    },
};

}  // namespace dl
