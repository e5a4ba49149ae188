// Defazio et al., "The Road Less Scheduled" (2024): the weights are a point between the sequence that takes the steps ("momentum") and
// its average, in place of a schedule.
#include "ops/builders.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

std::vector<SlotSpec> schedule_free_adamw_slots(const Config&, const WeightInfo&) {
  return {{.name = "z", .keras_name = "momentum"}, {.name = "v", .keras_name = "velocity"}};
}

Var schedule_free_adamw_update(const OptimizerCall& call) {
  const double beta1 = call.config.real("beta_1"), beta2 = call.config.real("beta_2");
  Var rate = call.learning_rate;
  if (const int64_t warmup = call.config.integer("warmup_steps"); warmup > 0)
    rate = rate * minimum(call.step / static_cast<double>(warmup), 1.0);
  // The sequence begins at the weights.
  const Var old = select(equal(call.step, 1.0), call.parameter, call.slot("z"));
  const Var g = call.gradient, p = decayed(call);
  const Var v = call.slot("v") + (square(g) - call.slot("v")) * (1 - beta2);
  const Var z = old - rate * g / (sqrt(v / (1.0 - power_of(beta2, call.step))) + call.config.real("epsilon"));
  call.set_slot("z", z);
  call.set_slot("v", v);
  // The average of the paper would be found with `old`; Keras, on TensorFlow and PyTorch, has overwritten it by then.
  const Var share = 1.0 / call.step, average = (p - (1 - beta1) * z) / beta1;
  return (1 - beta1) * z + beta1 * ((1.0 - share) * average + share * z);
}

void schedule_free_adamw_check(const Config& config, spec::Reader& reader) {
  if (config.real("beta_1") <= 0) reader.report("beta_1", "must be above 0: the average is found from the weights by dividing by it");
}

}  // namespace

extern const OptimizerDef optimizer_schedule_free_adamw;
const OptimizerDef optimizer_schedule_free_adamw = {
    .class_name = "ScheduleFreeAdamW",
    .summary = "AdamW that averages its steps and so needs no schedule.",
    .keys = join_keys(beta_keys(0.9, 0.999), {epsilon_key(1e-8), int_key("warmup_steps", spec::Node::integer(0), 0)}),
    .default_learning_rate = 0.0025,
    .in_keras2 = false,
    .check = schedule_free_adamw_check,
    .slots = schedule_free_adamw_slots,
    .update = schedule_free_adamw_update,
};

}  // namespace dl
