#include "base/error.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_repeat_vector = {
    .class_name = "RepeatVector",
    .summary = "Repeats a vector n times: [batch, features] to [batch, n, features].",
    .keys = {int_key("n", 1)},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = inputs[0].value;
      if (x.rank() != 2) throw UserError("RepeatVector needs [batch, features], got " + to_string(x.shape()));
      return {{broadcast_to(expand_dims(x, 1), {x.dim(0), Dim(context.config().integer("n")), x.dim(1)}), {}}};
    },
};

}  // namespace dl
