#include "layers/layer.h"
#include "ops/nn.h"

namespace dl {

const LayerDef layer_softmax = {
    .class_name = "Softmax",
    .summary = "Exponentials that sum to 1 along one axis.",
    .masking = Masking::kPass,
    .keys = {int_key("axis", spec::Node::integer(-1), -64)},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      // Keras takes a mask over the input's own axes here, not the one over time; that use needs two tensors.
      return {{softmax(inputs[0].value, context.config().integer("axis")), {}}};
    },
};

}  // namespace dl
