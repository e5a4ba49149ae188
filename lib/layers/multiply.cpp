#include "layers/merge.h"
#include "ops/builders.h"

namespace dl {
namespace {

// A masked step is a factor of 1, and 0 where every input masks it (Keras 3).
std::vector<MaskedVar> build_multiply(LayerContext&, std::span<const MaskedVar> inputs) {
  const std::vector<Var> operands = merge_operands(inputs), masks = operand_masks(inputs, operands);
  Var y, kept;
  bool all_masked = true;
  for (size_t i = 0; i < operands.size(); ++i) {
    Var x = operands[i];
    all_masked &= masks[i].valid();
    if (masks[i].valid()) {
      x = select(masks[i], x, 1.0);
      kept = kept.valid() ? logical_or(kept, masks[i]) : masks[i];
    }
    y = y.valid() ? y * x : x;
  }
  return {{all_masked ? select(kept, y, 0.0) : y, merge_masks(inputs)}};
}

}  // namespace

const LayerDef layer_multiply = {
    .class_name = "Multiply",
    .summary = "Product of the inputs, element by element; sizes of 1 stretch.",
    .min_inputs = 2,
    .max_inputs = -1,
    .masking = Masking::kOwn,
    .build = build_multiply,
};

}  // namespace dl
