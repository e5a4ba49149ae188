#include "layers/merge.h"

#include <algorithm>

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

std::vector<MaskedVar> build_merge(std::span<const MaskedVar> inputs, Var (*combine)(Var, Var)) {
  const std::vector<Var> operands = merge_operands(inputs);
  Var y = operands[0];
  for (size_t i = 1; i < operands.size(); ++i) y = combine(y, operands[i]);
  return {{y, merge_masks(inputs)}};
}

}  // namespace dl
