// Muon: the momentum of a matrix made orthogonal by Newton and Schulz's iteration; AdamW for all other weights.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <regex>

#include "ops/builders.h"
#include "ops/nn.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; });
  return text;
}

std::vector<std::string> excluded(const Config& config) {
  std::vector<std::string> patterns;
  if (!config.given("exclude_layers")) return patterns;
  for (const spec::Node& item : config.node("exclude_layers").items()) patterns.push_back(item.as_string());
  return patterns;
}

bool uses_adam(const Config& config, const WeightInfo& weight) {
  if (weight.shape.size() != 2) return true;
  if (config.flag("exclude_embeddings") && lower_case(weight.name).find("embedding") != std::string::npos) return true;
  const std::vector<std::string> patterns = excluded(config);
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](const std::string& pattern) { return std::regex_search(weight.name, std::regex(pattern)); });
}

std::vector<SlotSpec> muon_slots(const Config& config, const WeightInfo& weight) {
  std::vector<SlotSpec> slots = {{.name = "m", .keras_name = "momentum"}};
  if (uses_adam(config, weight)) slots.push_back({.name = "v", .keras_name = "velocity"});
  return slots;
}

double decay(const Config& config, const WeightInfo& weight) {
  const char* key = uses_adam(config, weight) ? "adam_weight_decay" : "weight_decay";
  return config.given(key) ? config.real(key) : 0;
}

Var adam(const OptimizerCall& call) {
  const double beta1 = call.config.real("adam_beta_1"), beta2 = call.config.real("adam_beta_2");
  // The decay goes by the learning rate, the step by its share.
  const Var rate = call.learning_rate * call.config.real("adam_lr_ratio");
  const Var alpha = rate * sqrt(1.0 - power_of(beta2, call.step)) / (1.0 - power_of(beta1, call.step));
  const AdamUpdate u = adam_update(call.parameter, call.gradient, call.slot("m"), call.slot("v"), alpha, call.learning_rate, beta1, beta2,
                                   call.config.real("epsilon"), call.weight_decay);
  call.set_slot("m", u.m);
  call.set_slot("v", u.v);
  return u.parameter;
}

Var orthogonal(Var x, const Config& config) {
  const bool tall = x.dim(0).value() > x.dim(1).value();
  const double a = config.real("muon_a"), b = config.real("muon_b"), c = config.real("muon_c");
  if (tall) x = transpose(x, {1, 0});
  x = x / (sqrt(reduce_sum(square(x))) + 1e-7);
  for (int64_t i = 0; i < config.integer("ns_steps"); ++i) {
    const Var gram = matmul(x, x, false, true);
    x = a * x + matmul(b * gram + matmul(c * gram, gram), x);
  }
  return tall ? transpose(x, {1, 0}) : x;
}

Var muon_update(const OptimizerCall& call) {
  if (uses_adam(call.config, call.weight)) return adam(call);
  const double momentum = call.config.real("momentum");
  const Var g = call.gradient, old = call.slot("m"), m = old + (g + old * (momentum - 1));
  call.set_slot("m", m);
  Var step = call.learning_rate * orthogonal(call.config.flag("nesterov") ? g + momentum * m : m, call.config);
  if (call.config.given("rms_rate")) {
    const double side = static_cast<double>(std::max(m.dim(0).value(), m.dim(1).value()));
    step = step * (std::sqrt(side) * call.config.real("rms_rate"));
  }
  return decayed(call) - step;
}

void muon_check(const Config& config, spec::Reader& reader) {
  if (!config.given("exclude_layers")) return;
  const spec::Node& list = config.node("exclude_layers");
  const bool texts =
      list.is_list() && std::all_of(list.items().begin(), list.items().end(), [](const spec::Node& n) { return n.is_string(); });
  if (!texts) return reader.report("exclude_layers", "must be a list of regular expressions");
  for (const spec::Node& item : list.items()) {
    try {
      std::regex pattern(item.as_string());
    } catch (const std::regex_error& e) {
      reader.report("exclude_layers", fmt::format("'{}' is no regular expression: {}", item.as_string(), e.what()));
      return;
    }
  }
}

std::vector<ConfigKey> muon_keys() {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  ConfigKey beta1 = float_key("adam_beta_1", 0.9, 0, 1), beta2 = float_key("adam_beta_2", 0.999, 0, 1);
  beta1.max_open = beta2.max_open = true;
  ConfigKey adam_decay = optional_float_key("adam_weight_decay", 0), rate = optional_float_key("rms_rate", -kInf);
  adam_decay.fallback = spec::Node::real(0.004);
  rate.fallback = spec::Node::real(0.2);
  adam_decay.nullable = rate.nullable = true;
  return {beta1,
          beta2,
          adam_decay,
          epsilon_key(1e-7),
          any_key("exclude_layers"),
          bool_key("exclude_embeddings", true),
          float_key("muon_a", 3.4445, -kInf),
          float_key("muon_b", -4.7750, -kInf),
          float_key("muon_c", 2.0315, -kInf),
          float_key("adam_lr_ratio", 1, 0),
          float_key("momentum", 0.95, 0, 1),
          int_key("ns_steps", spec::Node::integer(5), 0),
          bool_key("nesterov", true),
          rate};
}

}  // namespace

extern const OptimizerDef optimizer_muon;
const OptimizerDef optimizer_muon = {
    .class_name = "Muon",
    .summary = "Orthogonal steps for matrices, AdamW for all other weights.",
    .keys = muon_keys(),
    .default_weight_decay = 0.004,
    .in_keras2 = false,
    .check = muon_check,
    .slots = muon_slots,
    .update = muon_update,
    .decay = decay,
};

}  // namespace dl
