#include "ops/builders.h"
#include "ops/nn.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

std::vector<SlotSpec> sgd_slots(const Config& config, const WeightInfo&) {
  if (config.real("momentum") == 0) return {};
  return {{.name = "momentum", .keras_name = "momentum", .keras2_name = "m"}};
}

Var sgd_update(const OptimizerCall& call) {
  const double momentum = call.config.real("momentum");
  const Var velocity = momentum != 0 ? call.slot("momentum") : Var{};
  const SgdUpdate u = sgd_update(decayed(call), call.gradient, velocity, call.learning_rate, momentum, call.config.flag("nesterov"));
  if (velocity.valid()) call.set_slot("momentum", u.velocity);
  return u.parameter;
}

}  // namespace

extern const OptimizerDef optimizer_sgd;
const OptimizerDef optimizer_sgd = {
    .class_name = "SGD",
    .summary = "Gradient descent, with momentum and Nesterov's variant on request.",
    .keys = {float_key("momentum", 0, 0, 1), bool_key("nesterov", false)},
    .default_learning_rate = 0.01,
    .slots = sgd_slots,
    .update = sgd_update,
};

}  // namespace dl
