// Losses of differences between numbers, and of angles between vectors.
#include "layers/losses/common.h"
#include "ops/builders.h"

namespace dl {
namespace {

Var error_of(const LossCall& call) { return call.y_pred - call.y_true; }
Var mean(Var x) { return reduce_mean(x, {-1}); }

Var percentage(const LossCall& call) { return 100.0 * mean(abs(error_of(call) / maximum(abs(call.y_true), kLossEpsilon))); }

Var logarithmic(const LossCall& call) {
  const auto log_of = [](Var x) { return log(maximum(x, kLossEpsilon) + 1.0); };
  return mean(square(log_of(call.y_pred) - log_of(call.y_true)));
}

Var huber_error(const LossCall& call) {
  const double delta = call.config.real("delta");
  const Var error = error_of(call), size = abs(error);
  return mean(select(less_equal(size, delta), 0.5 * square(error), delta * size - 0.5 * delta * delta));
}

Var log_cosh_error(const LossCall& call) {
  const Var error = error_of(call);
  return mean(error + softplus(error * -2.0) - 0.69314718055994531);
}

Var cosine(const LossCall& call) {
  const int64_t axis = axis_of(call);
  return -reduce_sum(unit_vectors(call.y_true, axis) * unit_vectors(call.y_pred, axis), {axis});
}

}  // namespace

const LossDef loss_mean_squared_error = {
    .name = "mean_squared_error", .class_name = "MeanSquaredError", .aliases = {"mse", "MSE"}, .build = [](const LossCall& call) {
      return mean(square(call.y_true - call.y_pred));
    }};
const LossDef loss_mean_absolute_error = {
    .name = "mean_absolute_error", .class_name = "MeanAbsoluteError", .aliases = {"mae", "MAE"}, .build = [](const LossCall& call) {
      return mean(abs(call.y_true - call.y_pred));
    }};
const LossDef loss_mean_absolute_percentage_error = {.name = "mean_absolute_percentage_error",
                                                     .class_name = "MeanAbsolutePercentageError",
                                                     .aliases = {"mape", "MAPE"},
                                                     .build = percentage};
const LossDef loss_mean_squared_logarithmic_error = {.name = "mean_squared_logarithmic_error",
                                                     .class_name = "MeanSquaredLogarithmicError",
                                                     .aliases = {"msle", "MSLE"},
                                                     .build = logarithmic};
const LossDef loss_huber = {.name = "huber", .class_name = "Huber", .keys = {float_key("delta", 1, 0)}, .build = huber_error};
const LossDef loss_log_cosh = {.name = "log_cosh", .class_name = "LogCosh", .aliases = {"logcosh"}, .build = log_cosh_error};
const LossDef loss_cosine_similarity = {
    .name = "cosine_similarity", .class_name = "CosineSimilarity", .keys = {axis_key()}, .build = cosine};

}  // namespace dl
