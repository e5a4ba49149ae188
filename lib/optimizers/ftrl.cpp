#include "ops/builders.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

std::vector<SlotSpec> ftrl_slots(const Config& config, const WeightInfo&) {
  return {{.name = "accumulator", .keras_name = "accumulator", .initial = config.real("initial_accumulator_value")},
          {.name = "linear", .keras_name = "linear"}};
}

Var ftrl_update(const OptimizerCall& call) {
  const Config& config = call.config;
  const double power = -config.real("learning_rate_power"), l1 = config.real("l1_regularization_strength");
  const Var p = decayed(call), rate = call.learning_rate, old = call.slot("accumulator");
  const Var l2 = config.real("l2_regularization_strength") + config.real("beta") / (2.0 * rate);
  const Var g = call.gradient + 2 * config.real("l2_shrinkage_regularization_strength") * p;
  const Var sum = old + square(call.gradient);
  const Var linear = call.slot("linear") + (g - (pow(sum, power) - pow(old, power)) / rate * p);
  call.set_slot("accumulator", sum);
  call.set_slot("linear", linear);
  return (clip(linear, -l1, l1) - linear) / (pow(sum, power) / rate + 2.0 * l2);
}

}  // namespace

extern const OptimizerDef optimizer_ftrl;
const OptimizerDef optimizer_ftrl = {
    .class_name = "Ftrl",
    .summary = "Follow the regularised leader: sparse weights of large linear models.",
    .keys = {float_key("learning_rate_power", -0.5, -100, 0), float_key("initial_accumulator_value", 0.1, 0),
             float_key("l1_regularization_strength", 0, 0), float_key("l2_regularization_strength", 0, 0),
             float_key("l2_shrinkage_regularization_strength", 0, 0), float_key("beta", 0, 0)},
    .slots = ftrl_slots,
    .update = ftrl_update,
};

}  // namespace dl
