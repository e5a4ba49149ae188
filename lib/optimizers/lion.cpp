#include "ops/builders.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

std::vector<SlotSpec> lion_slots(const Config&, const WeightInfo&) { return {{.name = "m", .keras_name = "momentum", .keras2_name = "m"}}; }

Var lion_update(const OptimizerCall& call) {
  const double beta1 = call.config.real("beta_1"), beta2 = call.config.real("beta_2");
  const Var m = call.slot("m"), g = call.gradient;
  call.set_slot("m", m * beta2 + g * (1 - beta2));
  return decayed(call) - call.learning_rate * sign(m * beta1 + g * (1 - beta1));
}

void lion_check(const Config& config, spec::Reader& reader) {
  if (config.real("beta_1") <= 0) reader.report("beta_1", "must be above 0; at 0 only the sign of the gradient is left");
}

}  // namespace

extern const OptimizerDef optimizer_lion;
const OptimizerDef optimizer_lion = {
    .class_name = "Lion",
    .summary = "Steps of one length, in the direction of the sign of the momentum.",
    .keys = {float_key("beta_1", 0.9, 0, 1), float_key("beta_2", 0.99, 0, 1)},
    .check = lion_check,
    .slots = lion_slots,
    .update = lion_update,
};

}  // namespace dl
