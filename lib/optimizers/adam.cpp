// Adam and AdamW, which differ in the default of weight_decay.
#include "ops/builders.h"
#include "ops/nn.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

std::vector<SlotSpec> adam_slots(const Config& config, const WeightInfo&) {
  std::vector<SlotSpec> slots = {{.name = "m", .keras_name = "momentum", .keras2_name = "m"},
                                 {.name = "v", .keras_name = "velocity", .keras2_name = "v"}};
  if (config.flag("amsgrad")) slots.push_back({.name = "v_hat", .keras_name = "velocity_hat", .keras2_name = "vhat", .block = 1});
  return slots;
}

Var adam_update(const OptimizerCall& call) {
  const double beta1 = call.config.real("beta_1"), beta2 = call.config.real("beta_2"), epsilon = call.config.real("epsilon");
  const Var alpha = call.learning_rate * sqrt(1.0 - power_of(beta2, call.step)) / (1.0 - power_of(beta1, call.step));
  if (call.config.flag("amsgrad")) {
    const Var p = decayed(call), g = call.gradient;
    const Var m = call.slot("m") + (g - call.slot("m")) * (1 - beta1), v = call.slot("v") + (square(g) - call.slot("v")) * (1 - beta2);
    const Var top = maximum(call.slot("v_hat"), v);
    call.set_slot("m", m);
    call.set_slot("v", v);
    call.set_slot("v_hat", top);
    return p - m * alpha / (sqrt(top) + epsilon);
  }
  const AdamUpdate u = adam_update(call.parameter, call.gradient, call.slot("m"), call.slot("v"), alpha, call.learning_rate, beta1, beta2,
                                   epsilon, call.weight_decay);
  call.set_slot("m", u.m);
  call.set_slot("v", u.v);
  return u.parameter;
}

std::vector<ConfigKey> adam_keys() { return join_keys(beta_keys(0.9, 0.999), {epsilon_key(1e-7), bool_key("amsgrad", false)}); }

}  // namespace

extern const OptimizerDef optimizer_adam, optimizer_adamw;
const OptimizerDef optimizer_adam = {
    .class_name = "Adam", .summary = "Adaptive moment estimation.", .keys = adam_keys(), .slots = adam_slots, .update = adam_update};
const OptimizerDef optimizer_adamw = {.class_name = "AdamW",
                                      .summary = "Adam with decoupled weight decay.",
                                      .keys = adam_keys(),
                                      .default_weight_decay = 0.004,
                                      .slots = adam_slots,
                                      .update = adam_update};

}  // namespace dl
