#include "layers/layer.h"

namespace dl {

const LayerDef layer_identity = {
    .class_name = "Identity",
    .summary = "Gives its input back.",
    .masking = Masking::kPass,
    .build = [](LayerContext&, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      return {{inputs[0].value, {}}};
    },
};

}  // namespace dl
