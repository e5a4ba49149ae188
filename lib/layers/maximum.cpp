#include "layers/merge.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_maximum = {
    .class_name = "Maximum",
    .summary = "Largest of the inputs, element by element; sizes of 1 stretch.",
    .min_inputs = 2,
    .max_inputs = -1,
    .masking = Masking::kOwn,
    .build = [](LayerContext&, std::span<const MaskedVar> inputs) { return build_masked_merge(inputs, maximum); },
};

}  // namespace dl
