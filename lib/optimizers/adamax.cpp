#include "ops/builders.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

std::vector<SlotSpec> adamax_slots(const Config&, const WeightInfo&) {
  return {{.name = "m", .keras_name = "momentum", .keras2_name = "m"}, {.name = "u", .keras_name = "norm", .keras2_name = "u"}};
}

Var adamax_update(const OptimizerCall& call) {
  const double beta1 = call.config.real("beta_1"), beta2 = call.config.real("beta_2");
  const Var m = call.slot("m") + (call.gradient - call.slot("m")) * (1 - beta1);
  const Var u = maximum(beta2 * call.slot("u"), abs(call.gradient));
  call.set_slot("m", m);
  call.set_slot("u", u);
  return decayed(call) - call.learning_rate * m / ((1.0 - power_of(beta1, call.step)) * (u + call.config.real("epsilon")));
}

}  // namespace

extern const OptimizerDef optimizer_adamax;
const OptimizerDef optimizer_adamax = {
    .class_name = "Adamax",
    .summary = "Adam with the largest past gradient in place of the second moment.",
    .keys = join_keys(beta_keys(0.9, 0.999), {epsilon_key(1e-7)}),
    .slots = adamax_slots,
    .update = adamax_update,
};

}  // namespace dl
