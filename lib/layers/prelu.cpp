#include <fmt/format.h>

#include "base/error.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_prelu = {
    .class_name = "PReLU",
    .summary = "x above 0, a learned alpha * x below; shared_axes (counted from 1) have one alpha.",
    .masking = Masking::kPass,
    .keys = {initializer_key("alpha_initializer", "zeros"), regularizer_key("alpha_regularizer"), constraint_key("alpha_constraint"),
             ints_key("shared_axes")},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = context.to_compute(inputs[0].value);
      Shape shape(x.shape().begin() + 1, x.shape().end());
      if (context.config().given("shared_axes")) {
        for (int64_t axis : context.config().integers("shared_axes")) {
          if (axis < 1 || axis >= x.rank())
            throw UserError(
                fmt::format("shared_axes names axis {}; the input {} has axes 1 to {}", axis, to_string(x.shape()), x.rank() - 1));
          shape[static_cast<size_t>(axis - 1)] = Dim(1);
        }
      }
      return {{relu(x) - context.add_weight("alpha", shape) * relu(-x), {}}};
    },
};

}  // namespace dl
