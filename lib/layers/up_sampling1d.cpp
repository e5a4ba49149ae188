#include "layers/layer.h"
#include "layers/resize.h"
#include "layers/window.h"

namespace dl {

const LayerDef layer_up_sampling1d = {
    .class_name = "UpSampling1D",
    .summary = "Repeats the steps of a sequence.",
    .keys = {int_key("size", spec::Node::integer(2), 1)},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      require_rank(inputs[0].value, 1, "UpSampling1D", false);
      return {{repeat_elements(inputs[0].value, 1, context.config().integer("size")), {}}};
    },
};

}  // namespace dl
