#include "ops/builders.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

std::vector<SlotSpec> adadelta_slots(const Config&, const WeightInfo&) {
  return {{.name = "accumulated_grad", .keras_name = "accumulated_grad"},
          {.name = "accumulated_delta_var", .keras_name = "accumulated_delta_var"}};
}

Var adadelta_update(const OptimizerCall& call) {
  const double rho = call.config.real("rho"), epsilon = call.config.real("epsilon");
  const Var g = call.gradient, old = call.slot("accumulated_delta_var");
  const Var squares = rho * call.slot("accumulated_grad") + (1 - rho) * square(g);
  const Var delta = -(sqrt(old + epsilon) * g / sqrt(squares + epsilon));
  call.set_slot("accumulated_grad", squares);
  call.set_slot("accumulated_delta_var", rho * old + (1 - rho) * square(delta));
  return decayed(call) + call.learning_rate * delta;
}

}  // namespace

extern const OptimizerDef optimizer_adadelta;
const OptimizerDef optimizer_adadelta = {
    .class_name = "Adadelta",
    .summary = "Steps in the ratio of moving root mean squares of past steps and gradients.",
    .keys = {float_key("rho", 0.95, 0, 1), epsilon_key(1e-7)},
    .slots = adadelta_slots,
    .update = adadelta_update,
};

}  // namespace dl
