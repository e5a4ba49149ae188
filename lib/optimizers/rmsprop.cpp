#include "ops/builders.h"
#include "ops/nn.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

std::vector<SlotSpec> rmsprop_slots(const Config& config, const WeightInfo&) {
  std::vector<SlotSpec> slots = {{.name = "velocity", .keras_name = "velocity"}};
  if (config.real("momentum") > 0) slots.push_back({.name = "momentum", .keras_name = "momentum", .block = 1});
  if (config.flag("centered")) slots.push_back({.name = "average", .keras_name = "average_gradient", .block = 2});
  return slots;
}

Var rmsprop_update(const OptimizerCall& call) {
  const double momentum = call.config.real("momentum");
  const bool centered = call.config.flag("centered");
  const Var average = centered ? call.slot("average") : Var{}, velocity = momentum > 0 ? call.slot("momentum") : Var{};
  const RmspropUpdate u = rmsprop_update(decayed(call), call.gradient, call.slot("velocity"), velocity, average, call.learning_rate,
                                         call.config.real("rho"), momentum, call.config.real("epsilon"), centered);
  call.set_slot("velocity", u.velocity);
  if (velocity.valid()) call.set_slot("momentum", u.momentum);
  if (average.valid()) call.set_slot("average", u.average);
  return u.parameter;
}

}  // namespace

extern const OptimizerDef optimizer_rmsprop;
const OptimizerDef optimizer_rmsprop = {
    .class_name = "RMSprop",
    .summary = "Divides by a moving root mean square of the gradient.",
    .keys = {float_key("rho", 0.9, 0, 1), float_key("momentum", 0, 0, 1), epsilon_key(1e-7), bool_key("centered", false)},
    .slots = rmsprop_slots,
    .update = rmsprop_update,
};

}  // namespace dl
