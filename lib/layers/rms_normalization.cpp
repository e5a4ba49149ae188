#include "base/error.h"
#include "layers/initializers.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_rms_normalization = {
    .class_name = "RMSNormalization",
    .summary = "Divides by the root of the mean square over the last axis (or axes) and scales.",
    .keys = {ints_key("axis", spec::Node::list({spec::Node::integer(-1)})), float_key("epsilon", 1e-6, 0)},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = cast(inputs[0].value, context.variable_dtype());
      const std::vector<int64_t> axes = normalize_axes(context.config().integers("axis"), x.rank(), "RMSNormalization");
      Shape shape;
      for (int64_t axis : axes) shape.push_back(x.dim(axis));
      // Keras multiplies by `scale` without moving its axes, which fits the last ones only.
      if (axes.empty() || axes.front() != x.rank() - static_cast<int64_t>(axes.size()))
        throw UserError("axis must name the last axis, or the last ones, of " + to_string(x.shape()));
      const Var scale = context.add_weight({"scale", shape, named_initializer("Ones")});
      const Var y = x * rsqrt(reduce_mean(square(x), axes, true) + context.config().real("epsilon"));
      return {{context.to_compute(y * cast(scale, x.dtype())), {}}};
    },
};

}  // namespace dl
