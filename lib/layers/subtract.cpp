#include "layers/merge.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_subtract = {
    .class_name = "Subtract",
    .summary = "First input minus second, element by element; sizes of 1 stretch.",
    .min_inputs = 2,
    .max_inputs = 2,
    .masking = Masking::kOwn,
    .build = [](LayerContext&, std::span<const MaskedVar> inputs) { return build_merge(inputs, sub); },
};

}  // namespace dl
