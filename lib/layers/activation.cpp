#include "layers/activations.h"
#include "layers/layer.h"

namespace dl {

const LayerDef layer_activation = {
    .class_name = "Activation",
    .summary = "An activation function by name.",
    .masking = Masking::kPass,
    .keys = {{.name = "activation", .kind = KeyKind::kActivation, .required = true}, regularizer_key("activity_regularizer")},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      return {{apply_activation(context.config().text("activation"), inputs[0].value), {}}};
    },
};

}  // namespace dl
