#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {
namespace {

// A number, or one per channel (last axis).
Var factor(LayerContext& context, const char* key, DType dtype) {
  const std::vector<double> values = context.config().reals(key);
  if (context.config().node(key).is_number()) return scalar(context.graph(), dtype, values[0]);
  Tensor t(dtype, {static_cast<int64_t>(values.size())});
  for (size_t i = 0; i < values.size(); ++i) t.set(static_cast<int64_t>(i), values[i]);
  return constant(context.graph(), t);
}

}  // namespace

const LayerDef layer_rescaling = {
    .class_name = "Rescaling",
    .summary = "x * scale + offset, such as scale 0.00392156862745098 for bytes to [0, 1].",
    .masking = Masking::kPass,
    .keys = {floats_key("scale", {}, true), floats_key("offset", spec::Node::real(0))},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = context.to_compute(inputs[0].value);
      return {{x * factor(context, "scale", x.dtype()) + factor(context, "offset", x.dtype()), {}}};
    },
};

}  // namespace dl
