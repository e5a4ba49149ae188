#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_activity_regularization = {
    .class_name = "ActivityRegularization",
    .summary = "Gives its input back and adds l1 * sum |x| + l2 * sum x^2, divided by the batch size, to the loss.",
    .masking = Masking::kPass,
    .keys = {float_key("l1", 0, 0), float_key("l2", 0, 0)},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Var x = inputs[0].value;
      if (context.training()) {
        const Var y = cast(x, context.variable_dtype());
        const Var penalty = reduce_sum(abs(y)) * context.config().real("l1") + reduce_sum(square(y)) * context.config().real("l2");
        context.add_loss(penalty / size_of(y, {0}, y.dtype()));
      }
      return {{x, {}}};
    },
};

}  // namespace dl
