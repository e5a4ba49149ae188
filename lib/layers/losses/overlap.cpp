// Losses of the overlap of two regions; by default over the whole batch.
#include "layers/losses/common.h"
#include "ops/builders.h"

namespace dl {
namespace {

Var dice(const LossCall& call) {
  const std::vector<int64_t> axes = axes_of(call);
  const Var both = reduce_sum(call.y_true * call.y_pred, axes);
  return 1.0 - 2.0 * both / (reduce_sum(call.y_true, axes) + reduce_sum(call.y_pred, axes) + kLossEpsilon);
}

// Keras's alpha goes with what is missed, its beta with what is too much.
Var tversky(const LossCall& call) {
  const std::vector<int64_t> axes = axes_of(call);
  const Var both = reduce_sum(call.y_true * call.y_pred, axes);
  const Var missed = reduce_sum((1.0 - call.y_pred) * call.y_true, axes), extra = reduce_sum(call.y_pred * (1.0 - call.y_true), axes);
  return 1.0 - both / (both + missed * call.config.real("alpha") + extra * call.config.real("beta") + kLossEpsilon);
}

}  // namespace

const LossDef loss_dice = {.name = "dice", .class_name = "Dice", .keys = {optional_axes_key()}, .build = dice};
const LossDef loss_tversky = {.name = "tversky",
                              .class_name = "Tversky",
                              .keys = {float_key("alpha", 0.5, 0), float_key("beta", 0.5, 0), optional_axes_key()},
                              .build = tversky};

}  // namespace dl
