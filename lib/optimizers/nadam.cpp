#include "ops/builders.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

std::vector<SlotSpec> nadam_slots(const Config&, const WeightInfo&) {
  return {{.name = "m", .keras_name = "momentum", .keras2_name = "m"}, {.name = "v", .keras_name = "velocity", .keras2_name = "v"}};
}

// The momentum of a step, which grows towards beta_1.
Var momentum_at(const Config& config, Var step) { return config.real("beta_1") * (1.0 - 0.5 * power_of(0.96, step)); }

Var update_product(const Config& config, Var old, Var step) { return old * momentum_at(config, step); }

Var nadam_update(const OptimizerCall& call) {
  const double beta1 = call.config.real("beta_1"), beta2 = call.config.real("beta_2");
  const Var g = call.gradient, now = momentum_at(call.config, call.step), next = momentum_at(call.config, call.step + 1.0);
  const Var m = call.slot("m") + (g - call.slot("m")) * (1 - beta1), v = call.slot("v") + (square(g) - call.slot("v")) * (1 - beta2);
  call.set_slot("m", m);
  call.set_slot("v", v);
  const Var direction = next * m / (1.0 - call.shared * next) + (1.0 - now) * g / (1.0 - call.shared);
  const Var root = sqrt(v / (1.0 - power_of(beta2, call.step)));
  return decayed(call) - direction * call.learning_rate / (root + call.config.real("epsilon"));
}

}  // namespace

extern const OptimizerDef optimizer_nadam;
const OptimizerDef optimizer_nadam = {
    .class_name = "Nadam",
    .summary = "Adam with Nesterov's momentum.",
    .keys = join_keys(beta_keys(0.9, 0.999), {epsilon_key(1e-7)}),
    .slots = nadam_slots,
    .update = nadam_update,
    .shared = SlotSpec{.name = "step/momentum_product", .keras_name = "u_product", .initial = 1},
    .update_shared = update_product,
};

}  // namespace dl
