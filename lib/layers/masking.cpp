#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_masking = {
    .class_name = "Masking",
    .summary = "Masks the steps whose features all equal mask_value; later layers skip them.",
    .masking = Masking::kOwn,
    .keys = {float_key("mask_value", 0, -std::numeric_limits<double>::infinity())},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = inputs[0].value;
      const Var differs = cast(not_equal(x, context.config().real("mask_value")), DType::kInt32);
      const Var kept = greater(reduce_max(differs, {-1}, true), 0.0);
      return {{select(kept, x, 0.0), squeeze(kept, {x.rank() - 1})}};
    },
};

}  // namespace dl
