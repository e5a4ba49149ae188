#include "train/optimizer.h"

#include <fmt/format.h>

#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

// Keras subtracts the decay before the update proper.
Var decayed(const OptimizerCall& call) {
  return call.weight_decay > 0 ? call.parameter - call.parameter * (call.learning_rate * call.weight_decay) : call.parameter;
}

Var update_sgd(const OptimizerCall& call) {
  const double momentum = call.config.real("momentum");
  const Var velocity = momentum != 0 ? call.slot("momentum") : Var{};
  const SgdUpdate u = sgd_update(decayed(call), call.gradient, velocity, call.learning_rate, momentum, call.config.flag("nesterov"));
  if (velocity.valid()) call.set_slot("momentum", u.velocity);
  return u.parameter;
}

Var update_adam(const OptimizerCall& call) {
  const double beta1 = call.config.real("beta_1"), beta2 = call.config.real("beta_2");
  const Var power1 = pow(scalar(*call.step.graph, call.step.dtype(), beta1), call.step);
  const Var power2 = pow(scalar(*call.step.graph, call.step.dtype(), beta2), call.step);
  const Var alpha = call.learning_rate * sqrt(1.0 - power2) / (1.0 - power1);
  const AdamUpdate u = adam_update(call.parameter, call.gradient, call.slot("m"), call.slot("v"), alpha, call.learning_rate, beta1, beta2,
                                   call.config.real("epsilon"), call.weight_decay);
  call.set_slot("m", u.m);
  call.set_slot("v", u.v);
  return u.parameter;
}

Var update_rmsprop(const OptimizerCall& call) {
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

std::vector<ConfigKey> adam_keys() {
  ConfigKey beta1 = float_key("beta_1", 0.9, 0, 1), beta2 = float_key("beta_2", 0.999, 0, 1);
  beta1.max_open = beta2.max_open = true;
  return {beta1, beta2, float_key("epsilon", 1e-7, 0), unsupported_key("amsgrad", spec::Node::boolean(false))};
}

const OptimizerDef optimizer_sgd = {"SGD",
                                    "Gradient descent, with momentum and Nesterov's variant on request.",
                                    {float_key("momentum", 0, 0, 1), bool_key("nesterov", false)},
                                    0.01,
                                    0,
                                    update_sgd};
const OptimizerDef optimizer_adam = {"Adam", "Adaptive moment estimation.", adam_keys(), 0.001, 0, update_adam};
const OptimizerDef optimizer_adamw = {"AdamW", "Adam with decoupled weight decay.", adam_keys(), 0.001, 0.004, update_adam};
const OptimizerDef optimizer_rmsprop = {
    "RMSprop",
    "Divides by a moving root mean square of the gradient.",
    {float_key("rho", 0.9, 0, 1), float_key("momentum", 0, 0, 1), float_key("epsilon", 1e-7, 0), bool_key("centered", false)},
    0.001,
    0,
    update_rmsprop};

const OptimizerDef* const kOptimizers[] = {
#define DL_OPTIMIZER(name) &optimizer_##name,
#include "train/optimizers.def"
#undef DL_OPTIMIZER
};

// Of every optimizer.
std::vector<ConfigKey> shared_keys(const OptimizerDef& def) {
  const auto optional_float = [](const char* name) {
    ConfigKey key = float_key(name, 0, 0);
    key.fallback = {};
    return key;
  };
  ConfigKey decay = optional_float("weight_decay");
  if (def.default_weight_decay > 0) decay.fallback = spec::Node::real(def.default_weight_decay);
  return {any_key("learning_rate", spec::Node::real(def.default_learning_rate)),
          decay,
          optional_float("clipnorm"),
          optional_float("clipvalue"),
          optional_float("global_clipnorm"),
          unsupported_key("use_ema", spec::Node::boolean(false)),
          unsupported_key("loss_scale_factor"),
          unsupported_key("gradient_accumulation_steps"),
          ignored_key("ema_momentum", spec::Node::real(0.99)),
          ignored_key("ema_overwrite_frequency"),
          ignored_key("jit_compile"),
          ignored_key("name")};
}

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) { return (x | 0x20) == (y | 0x20); });
}

Var norm_of(std::span<const Var> gradients) {
  Var sum = reduce_sum(square(gradients[0]));
  for (size_t i = 1; i < gradients.size(); ++i) sum = sum + reduce_sum(square(gradients[i]));
  return sqrt(sum);
}

}  // namespace

std::span<const OptimizerDef* const> optimizer_table() { return kOptimizers; }

Optimizer read_optimizer(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  Optimizer result;
  const auto named = read_object(node, path, problems);
  if (!named) return result;
  std::vector<std::string_view> names;
  for (const OptimizerDef* def : kOptimizers) {
    names.push_back(def->class_name);
    if (same_name(def->class_name, named->name)) result.def = def;
  }
  if (!result.def) {
    problems.add(node.place(), path, fmt::format("unknown optimizer '{}'{}", named->name, spec::suggestion(named->name, names)));
    return result;
  }
  spec::Node empty = spec::Node::map({});
  empty.set_place(node.place());
  const spec::Node& config = named->config && !named->config->is_null() ? *named->config : empty;
  spec::Reader reader(config, join_path(path, named->name), problems);
  result.config = read_config(reader, join_keys(shared_keys(*result.def), result.def->keys));
  const int clips = result.config.given("clipnorm") + result.config.given("clipvalue") + result.config.given("global_clipnorm");
  if (clips > 1) reader.report("clipnorm", "only one of clipnorm, clipvalue and global_clipnorm may be set");
  reader.finish();
  result.learning_rate = result.config.node("learning_rate");
  return result;
}

std::vector<Var> clip_gradients(const Optimizer& optimizer, std::vector<Var> gradients) {
  const Config& config = optimizer.config;
  if (gradients.empty()) return gradients;
  if (config.given("clipvalue")) {
    const double limit = config.real("clipvalue");
    for (Var& g : gradients) g = clip(g, -limit, limit);
  } else if (config.given("clipnorm")) {
    // g * c / max(norm, c)
    const double limit = config.real("clipnorm");
    for (Var& g : gradients) g = g * (limit / maximum(norm_of({&g, 1}), limit));
  } else if (config.given("global_clipnorm")) {
    const double limit = config.real("global_clipnorm");
    const Var factor = limit / maximum(norm_of(gradients), limit);
    for (Var& g : gradients) g = g * factor;
  }
  return gradients;
}

}  // namespace dl
