#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

// Not among Keras's public layers, but keras.applications builds ConvNeXt of it.
const LayerDef layer_stochastic_depth = {
    .class_name = "StochasticDepth",
    .summary = "In training, zeroes a share `drop_path_rate` of the samples and scales the others by 1 / (1 - drop_path_rate).",
    .keys = {[] {
      ConfigKey rate = float_key("drop_path_rate", 0, 0, 1);
      rate.max_open = true;
      return rate;
    }()},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = context.to_compute(inputs[0].value);
      const double rate = context.config().real("drop_path_rate");
      if (!context.training() || rate == 0) return {{x, {}}};
      Shape shape(static_cast<size_t>(x.rank()), Dim(1));
      shape[0] = x.dim(0);
      const Var keep = greater_equal(context.random_uniform(shape, spec::Node()), rate);
      return {{x * (cast(keep, x.dtype()) * (1 / (1 - rate))), {}}};
    },
    .keras_module = "keras.src.applications.convnext",
};

}  // namespace dl
