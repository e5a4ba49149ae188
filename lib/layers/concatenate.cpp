#include "layers/merge.h"
#include "ops/builders.h"

namespace dl {
namespace {

// Keras spreads each mask over its input, joins them like the inputs and keeps a step where any feature counts.
Var concatenated_mask(std::span<const MaskedVar> inputs, int64_t axis) {
  std::vector<Var> masks;
  bool any = false;
  for (const MaskedVar& input : inputs) {
    any |= input.mask.valid();
    Var kept = input.mask.valid() ? cast(input.mask, DType::kFloat32) : ones_like(cast(input.value, DType::kFloat32));
    if (kept.rank() < input.value.rank()) kept = expand_dims(kept, -1);
    masks.push_back(broadcast_to(kept, input.value.shape()));
  }
  if (!any) return {};
  return greater(reduce_max(concat(masks, axis), {-1}), 0.0);
}

}  // namespace

const LayerDef layer_concatenate = {
    .class_name = "Concatenate",
    .summary = "The inputs side by side along one axis.",
    .min_inputs = 2,
    .max_inputs = -1,
    .masking = Masking::kOwn,
    .keys = {int_key("axis", spec::Node::integer(-1), -64)},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      std::vector<Var> operands;
      for (const MaskedVar& input : inputs) operands.push_back(cast(input.value, inputs[0].value.dtype()));
      const int64_t axis = context.config().integer("axis");
      return {{concat(operands, axis), concatenated_mask(inputs, axis)}};
    },
};

}  // namespace dl
