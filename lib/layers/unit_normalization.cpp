#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_unit_normalization = {
    .class_name = "UnitNormalization",
    .summary = "Scales to length 1 along the axis (or axes).",
    .masking = Masking::kPass,
    .keys = {ints_key("axis", spec::Node::list({spec::Node::integer(-1)}))},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      constexpr double kEpsilon = 1e-12;
      const Var x = inputs[0].value;
      const std::vector<int64_t> axes = normalize_axes(context.config().integers("axis"), x.rank(), "UnitNormalization");
      return {{x * rsqrt(maximum(reduce_sum(square(x), axes, true), kEpsilon * kEpsilon)), {}}};
    },
};

}  // namespace dl
