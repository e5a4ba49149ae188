#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

// Not among Keras's public layers, but keras.applications builds InceptionResNetV2 of it.
const LayerDef layer_custom_scale_layer = {
    .class_name = "CustomScaleLayer",
    .summary = "First input plus `scale` times the second.",
    .min_inputs = 2,
    .max_inputs = 2,
    .keys = {{.name = "scale", .kind = KeyKind::kFloat, .required = true}},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      return {{inputs[0].value + inputs[1].value * context.config().real("scale"), {}}};
    },
    .keras_module = "keras.src.applications.inception_resnet_v2",
};

}  // namespace dl
