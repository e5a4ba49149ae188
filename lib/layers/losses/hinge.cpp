// Losses of margins. Keras takes labels 0 and 1 for -1 and 1 where a whole batch holds nothing else.
#include "layers/losses/common.h"
#include "ops/builders.h"

namespace dl {
namespace {

Var signs(Var y_true) {
  const Var binary = logical_or(equal(y_true, 0.0), equal(y_true, 1.0));
  const Var all = equal(reduce_min(select(binary, ones_like(y_true), 0.0)), 1.0);
  return select(all, 2.0 * y_true - 1.0, y_true);
}

Var margin(const LossCall& call) { return maximum(1.0 - signs(call.y_true) * call.y_pred, 0.0); }

Var categorical(const LossCall& call) {
  const Var right = reduce_sum(call.y_true * call.y_pred, {-1}), wrong = reduce_max((1.0 - call.y_true) * call.y_pred, {-1});
  return maximum(wrong - right + 1.0, 0.0);
}

}  // namespace

const LossDef loss_hinge = {
    .name = "hinge", .class_name = "Hinge", .build = [](const LossCall& call) { return reduce_mean(margin(call), {-1}); }};
const LossDef loss_squared_hinge = {.name = "squared_hinge", .class_name = "SquaredHinge", .build = [](const LossCall& call) {
                                      return reduce_mean(square(margin(call)), {-1});
                                    }};
const LossDef loss_categorical_hinge = {.name = "categorical_hinge", .class_name = "CategoricalHinge", .build = categorical};

}  // namespace dl
