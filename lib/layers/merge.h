// What the layers that combine several inputs share: broadcasting and masks as Keras does them.
#pragma once

#include <span>
#include <vector>

#include "layers/layer.h"

namespace dl {

// The inputs in one type; those of lower rank get axes of size 1 after the batch.
std::vector<Var> merge_operands(std::span<const MaskedVar> inputs);
// A step counts if it counts in any input; no mask at all where an input has none (Keras 3).
Var merge_masks(std::span<const MaskedVar> inputs);
// The masks of the operands, spread to their shapes; invalid where an input has none. UserError where a mask does not fit.
std::vector<Var> operand_masks(std::span<const MaskedVar> inputs, std::span<const Var> operands);
// Maximum and minimum: where one side is masked, the other counts (Keras 3).
std::vector<MaskedVar> build_masked_merge(std::span<const MaskedVar> inputs, Var (*combine)(Var, Var));
// operands[0] combined with each of the others.
std::vector<MaskedVar> build_merge(std::span<const MaskedVar> inputs, Var (*combine)(Var, Var));

}  // namespace dl
