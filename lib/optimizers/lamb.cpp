#include "ops/builders.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

std::vector<SlotSpec> lamb_slots(const Config&, const WeightInfo&) {
  return {{.name = "m", .keras_name = "momentum"}, {.name = "v", .keras_name = "velocity"}};
}

Var norm(Var x) { return sqrt(reduce_sum(square(x))); }

Var lamb_update(const OptimizerCall& call) {
  const double beta1 = call.config.real("beta_1"), beta2 = call.config.real("beta_2");
  const Var p = decayed(call), g = call.gradient;
  const Var m = call.slot("m") + (g - call.slot("m")) * (1 - beta1), v = call.slot("v") + (square(g) - call.slot("v")) * (1 - beta2);
  call.set_slot("m", m);
  call.set_slot("v", v);
  const Var root = sqrt(v / (1.0 - power_of(beta2, call.step))) + call.config.real("epsilon");
  const Var step = m / (1.0 - power_of(beta1, call.step)) / root;
  const Var length = norm(p), stride = norm(step);
  const Var ratio = select(logical_and(greater(length, 0.0), greater(stride, 0.0)), length / stride, 1.0);
  return p - ratio * call.learning_rate * step;
}

}  // namespace

extern const OptimizerDef optimizer_lamb;
const OptimizerDef optimizer_lamb = {
    .class_name = "Lamb",
    .summary = "Adam whose step is as long as the weights of each layer allow.",
    .keys = join_keys(beta_keys(0.9, 0.999), {epsilon_key(1e-7)}),
    .in_keras2 = false,
    .slots = lamb_slots,
    .update = lamb_update,
};

}  // namespace dl
