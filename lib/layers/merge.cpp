#include "layers/merge.h"

#include <algorithm>

#include "base/error.h"
#include "ops/builders.h"

namespace dl {

std::vector<Var> merge_operands(std::span<const MaskedVar> inputs) {
  int64_t rank = 0;
  for (const MaskedVar& input : inputs) rank = std::max(rank, input.value.rank());
  std::vector<Var> operands;
  for (const MaskedVar& input : inputs) {
    Var x = cast(input.value, inputs[0].value.dtype());
    while (x.rank() < rank && x.rank() > 0) x = expand_dims(x, 1);
    operands.push_back(x);
  }
  return operands;
}

Var merge_masks(std::span<const MaskedVar> inputs) {
  Var merged;
  for (const MaskedVar& input : inputs) {
    if (!input.mask.valid()) return {};
    merged = merged.valid() ? logical_or(merged, input.mask) : input.mask;
  }
  return merged;
}

std::vector<Var> operand_masks(std::span<const MaskedVar> inputs, std::span<const Var> operands) {
  std::vector<Var> masks;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Var mask = inputs[i].mask, x = operands[i];
    if (mask.valid() && mask.rank() != x.rank() - 1)
      throw UserError("the mask " + to_string(mask.shape()) + " of an input " + to_string(x.shape()) + " needs one axis less than it");
    masks.push_back(mask.valid() ? broadcast_to(expand_dims(mask, -1), x.shape()) : Var());
  }
  return masks;
}

std::vector<MaskedVar> build_masked_merge(std::span<const MaskedVar> inputs, Var (*combine)(Var, Var)) {
  const std::vector<Var> operands = merge_operands(inputs), masks = operand_masks(inputs, operands);
  Var y = operands[0], kept = masks[0];
  for (size_t i = 1; i < operands.size(); ++i) {
    Var x = operands[i];
    if (masks[i].valid()) x = select(masks[i], x, y);
    if (kept.valid()) y = select(kept, y, x);
    kept = masks[i].valid() && kept.valid() ? logical_or(kept, masks[i]) : Var();
    y = combine(y, x);
  }
  return {{y, merge_masks(inputs)}};
}

std::vector<MaskedVar> build_merge(std::span<const MaskedVar> inputs, Var (*combine)(Var, Var)) {
  const std::vector<Var> operands = merge_operands(inputs);
  Var y = operands[0];
  for (size_t i = 1; i < operands.size(); ++i) y = combine(y, operands[i]);
  return {{y, merge_masks(inputs)}};
}

}  // namespace dl
