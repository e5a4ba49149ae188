#include "layers/merge.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_average = {
    .class_name = "Average",
    .summary = "Mean of the inputs, element by element; sizes of 1 stretch.",
    .min_inputs = 2,
    .max_inputs = -1,
    .masking = Masking::kOwn,
    .build =
        [](LayerContext&, std::span<const MaskedVar> inputs) {
          std::vector<MaskedVar> outputs = build_merge(inputs, add);
          outputs[0].value = outputs[0].value / static_cast<double>(inputs.size());
          return outputs;
        },
};

}  // namespace dl
