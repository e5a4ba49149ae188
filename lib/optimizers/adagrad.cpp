#include "ops/builders.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

std::vector<SlotSpec> adagrad_slots(const Config& config, const WeightInfo&) {
  return {{.name = "accumulator", .keras_name = "accumulator", .initial = config.real("initial_accumulator_value")}};
}

Var adagrad_update(const OptimizerCall& call) {
  const Var sum = call.slot("accumulator") + square(call.gradient);
  call.set_slot("accumulator", sum);
  return decayed(call) - call.learning_rate * call.gradient / sqrt(sum + call.config.real("epsilon"));
}

}  // namespace

extern const OptimizerDef optimizer_adagrad;
const OptimizerDef optimizer_adagrad = {
    .class_name = "Adagrad",
    .summary = "Divides by the root of the sum of all squared gradients.",
    .keys = {float_key("initial_accumulator_value", 0.1, 0), epsilon_key(1e-7)},
    .slots = adagrad_slots,
    .update = adagrad_update,
};

}  // namespace dl
