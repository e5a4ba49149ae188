#include <fmt/format.h>

#include "base/error.h"
#include "layers/initializers.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

// Not among Keras's public layers, but keras.applications builds ConvNeXt of it.
const LayerDef layer_layer_scale = {
    .class_name = "LayerScale",
    .summary = "x times a learned factor for each channel, init_values at first; projection_dim is the number of channels.",
    .keys = {float_key("init_values", 1e-6, -1e30), int_key("projection_dim", 1)},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = context.to_compute(inputs[0].value);
      const Dim channels(context.config().integer("projection_dim"));
      if (x.rank() < 2 || x.dim(-1) != channels)
        throw UserError(fmt::format("projection_dim is {}, the input has the shape {}", channels.value(), to_string(x.shape())));
      Initializer initial = named_initializer("Constant");
      initial.config.set("value", context.config().real("init_values"));
      return {{x * context.add_weight({"gamma", {channels}, std::move(initial)}), {}}};
    },
    .keras_module = "keras.src.applications.convnext",
};

}  // namespace dl
