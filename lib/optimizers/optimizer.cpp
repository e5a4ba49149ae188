#include "optimizers/optimizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <regex>

#include "base/error.h"
#include "ops/builders.h"

namespace dl {

#define DL_OPTIMIZER(name) extern const OptimizerDef optimizer_##name;
#include "optimizers/optimizers.def"
#undef DL_OPTIMIZER

namespace {

const OptimizerDef* const kOptimizers[] = {
#define DL_OPTIMIZER(name) &optimizer_##name,
#include "optimizers/optimizers.def"
#undef DL_OPTIMIZER
};

ConfigKey optional_int_key(const std::string& name, int64_t min) { return int_key(name, spec::Node(), min); }

// Of every optimizer.
std::vector<ConfigKey> shared_keys(const OptimizerDef& def) {
  ConfigKey decay = optional_float_key("weight_decay", 0);
  if (def.default_weight_decay > 0) decay.fallback = spec::Node::real(def.default_weight_decay);
  decay.nullable = true;
  return {any_key("learning_rate", spec::Node::real(def.default_learning_rate)),
          decay,
          optional_float_key("clipnorm", 0),
          optional_float_key("clipvalue", 0),
          optional_float_key("global_clipnorm", 0),
          bool_key("use_ema", false),
          float_key("ema_momentum", 0.99, 0, 1),
          optional_int_key("ema_overwrite_frequency", 1),
          optional_float_key("loss_scale_factor", 0),
          optional_int_key("gradient_accumulation_steps", 2),
          ignored_key("jit_compile"),
          ignored_key("name")};
}

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) { return (x | 0x20) == (y | 0x20); });
}

Optimizer read_one(const spec::Node& node, const std::string& path, bool inner, spec::Problems& problems);

// What LossScaleOptimizer leaves to the optimizer in it; Keras writes these keys with their defaults.
Optimizer read_loss_scale(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  spec::Reader reader(node, path, problems);
  const Config config = read_config(reader, optimizer_loss_scale.keys);
  static constexpr std::pair<std::string_view, bool> kOfTheInner[] = {{"weight_decay", false},
                                                                      {"clipnorm", false},
                                                                      {"global_clipnorm", false},
                                                                      {"clipvalue", false},
                                                                      {"loss_scale_factor", false},
                                                                      {"use_ema", false},
                                                                      {"ema_momentum", true},
                                                                      {"ema_overwrite_frequency", false},
                                                                      {"gradient_accumulation_steps", false},
                                                                      {"learning_rate", true},
                                                                      {"dynamic", true}};
  for (const auto& [key, any] : kOfTheInner) {
    const spec::Node* given = reader.get(std::string(key));
    const bool off = !given || given->is_null() || (given->kind() == spec::Kind::kBool && given->as_bool() == (key == "dynamic"));
    if (!off && !any) reader.report(std::string(key), "belongs to the inner_optimizer");
    if (!off && key == "dynamic") reader.report("dynamic", "must be true; for a fixed scale give the optimizer itself a loss_scale_factor");
  }
  reader.finish();
  Optimizer result;
  if (const spec::Node& given = config.node("inner_optimizer"); !given.is_null()) {
    result = read_one(given, join_path(path, "inner_optimizer"), true, problems);
    // The scale would be applied twice.
    if (result.def) result.config.set("loss_scale_factor", spec::Node());
  }
  result.loss_scale = DynamicLossScale{config.real("initial_scale"), config.integer("dynamic_growth_steps")};
  if (result.loss_scale->initial <= 0) reader.report("initial_scale", "must be above 0");
  return result;
}

// {OptimizerMap: {default_optimizer: ..., optimizer_map: {PATTERN: ...}}}
Optimizer read_multi(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  spec::Reader reader(node, path, problems);
  const Config config = read_config(reader, optimizer_multi.keys);
  reader.finish();
  Optimizer result;
  const spec::Node& map = config.node("optimizer_map");
  if (map.is_null()) return result;
  const std::string map_path = join_path(path, "optimizer_map");
  const bool object = map.is_map() && (map.find("OptimizerMap") || map.find("class_name"));
  const auto named = object ? read_object(map, map_path, problems) : std::nullopt;
  if (!named || named->name != "OptimizerMap" || !named->config || !named->config->is_map()) {
    problems.add(map.place(), map_path, "must be {OptimizerMap: {default_optimizer: ..., optimizer_map: {PATTERN: ...}}}");
    return result;
  }
  spec::Reader inner(*named->config, join_path(map_path, named->name), problems);
  const spec::Node* fallback = inner.get("default_optimizer");
  if (!fallback) inner.report("default_optimizer", "required key is missing; for example adam");
  if (fallback) result = read_one(*fallback, inner.path_of("default_optimizer"), true, problems);
  if (const spec::Node* rules = inner.get("optimizer_map"); rules && rules->is_map()) {
    for (const auto& [pattern, value] : rules->entries()) {
      const std::string where = join_path(inner.path_of("optimizer_map"), pattern);
      try {
        const std::regex compiled(pattern);
      } catch (const std::regex_error&) {
        problems.add(value.place(), where, fmt::format("'{}' is no regular expression", pattern));
      }
      result.rules.push_back({pattern, read_one(value, where, true, problems)});
      result.rules.back().optimizer.part = fmt::format("{}", result.rules.size());
    }
  } else if (rules && !rules->is_null()) {
    inner.report("optimizer_map", "must be a map from names or patterns of weights to optimizers");
  }
  inner.finish();
  // As in Keras, this one holds for all.
  const auto set_scale = [&](Optimizer& optimizer) {
    if (optimizer.def) optimizer.config.set("loss_scale_factor", config.node("loss_scale_factor"));
  };
  set_scale(result);
  for (OptimizerRule& rule : result.rules) set_scale(rule.optimizer);
  if (std::any_of(result.rules.begin(), result.rules.end(), [](const OptimizerRule& rule) { return !rule.optimizer.def; }))
    result.def = nullptr;  // said above
  return result;
}

Optimizer read_one(const spec::Node& node, const std::string& path, bool inner, spec::Problems& problems) {
  Optimizer result;
  const auto named = read_object(node, path, problems);
  if (!named) return result;
  std::vector<std::string_view> names;
  for (const OptimizerDef* def : kOptimizers) {
    if (inner && !def->update) continue;
    names.push_back(def->class_name);
    if (same_name(def->class_name, named->name)) result.def = def;
  }
  if (!result.def) {
    std::string hint = spec::suggestion(named->name, names);
    if (hint.empty()) {
      hint = "; known:";
      for (const std::string_view name : names) hint += fmt::format("{} {}", name == names.front() ? "" : ",", name);
    }
    problems.add(node.place(), path, fmt::format("unknown optimizer '{}'{}", named->name, hint));
    return result;
  }
  spec::Node empty = spec::Node::map({});
  empty.set_place(node.place());
  const spec::Node& config = named->config && !named->config->is_null() ? *named->config : empty;
  const std::string where = join_path(path, named->name);
  if (result.def == &optimizer_multi) return read_multi(config, where, problems);
  if (result.def == &optimizer_loss_scale) return read_loss_scale(config, where, problems);
  spec::Reader reader(config, where, problems);
  const size_t before = problems.lines().size();
  result.config = read_config(reader, join_keys(shared_keys(*result.def), result.def->keys));
  const int clips = result.config.given("clipnorm") + result.config.given("clipvalue") + result.config.given("global_clipnorm");
  if (clips > 1) reader.report("clipnorm", "only one of clipnorm, clipvalue and global_clipnorm may be set");
  if (result.config.given("loss_scale_factor") && result.config.real("loss_scale_factor") == 0)
    reader.report("loss_scale_factor", "must be above 0");
  if (result.def->check && problems.lines().size() == before) result.def->check(result.config, reader);
  reader.finish();
  result.learning_rate = result.config.node("learning_rate");
  return result;
}

}  // namespace

std::span<const OptimizerDef* const> optimizer_table() { return kOptimizers; }

Optimizer read_optimizer(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  return read_one(node, path, false, problems);
}

const Optimizer& optimizer_of(const Optimizer& optimizer, const std::string& weight) {
  const OptimizerRule* found = nullptr;
  for (const OptimizerRule& rule : optimizer.rules)
    if (rule.pattern == weight) return rule.optimizer;
  for (const OptimizerRule& rule : optimizer.rules) {
    if (!std::regex_match(weight, std::regex(rule.pattern))) continue;
    if (found)
      throw UserError(fmt::format("MultiOptimizer: '{}' and '{}' both match the weight {}; make one of them narrower", found->pattern,
                                  rule.pattern, weight));
    found = &rule;
  }
  return found ? found->optimizer : optimizer;
}

std::vector<const Optimizer*> all_optimizers(const Optimizer& optimizer) {
  std::vector<const Optimizer*> all = {&optimizer};
  for (const OptimizerRule& rule : optimizer.rules) all.push_back(&rule.optimizer);
  return all;
}

bool keeps_averages(const Optimizer& optimizer) {
  const std::vector<const Optimizer*> all = all_optimizers(optimizer);
  return std::any_of(all.begin(), all.end(), [](const Optimizer* o) { return o->def && o->config.flag("use_ema"); });
}

std::string shared_slot(const Optimizer& optimizer) {
  return optimizer.part.empty() ? optimizer.def->shared->name : fmt::format("{}/{}", optimizer.def->shared->name, optimizer.part);
}

std::vector<OptimizerState> optimizer_state(const Optimizer& optimizer, std::span<const WeightInfo> weights, DType dtype) {
  std::vector<OptimizerState> state;
  const auto add = [&](const WeightInfo& weight, const SlotSpec& slot) {
    state.push_back({slot.name.empty() ? "" : weight.name + "/" + slot.name, weight.name, slot.keras_name,
                     slot.keras2_name.empty() ? slot.keras_name : slot.keras2_name, slot.shape.value_or(weight.shape), dtype,
                     slot.initial});
  };
  if (optimizer.config.flag("use_ema"))
    for (const WeightInfo& weight : weights) add(weight, {.name = kAverageSlot, .keras_name = "average"});
  if (optimizer.config.given("gradient_accumulation_steps"))
    for (const WeightInfo& weight : weights) add(weight, {.name = kAccumulatorSlot, .keras_name = "gradient_accumulator"});
  std::map<int, std::vector<std::pair<const WeightInfo*, SlotSpec>>> blocks;
  if (optimizer.def->slots)
    for (const WeightInfo& weight : weights)
      for (SlotSpec& slot : optimizer.def->slots(optimizer.config, weight)) blocks[slot.block].emplace_back(&weight, std::move(slot));
  for (const auto& [block, slots] : blocks)
    for (const auto& [weight, slot] : slots) add(*weight, slot);
  if (const auto& shared = optimizer.def->shared)
    state.push_back({shared_slot(optimizer), "", shared->keras_name, shared->keras_name, {}, dtype, shared->initial});
  return state;
}

Var decayed(const OptimizerCall& call) {
  return call.weight_decay > 0 ? call.parameter - call.parameter * (call.learning_rate * call.weight_decay) : call.parameter;
}

std::vector<ConfigKey> beta_keys(double beta_1, double beta_2) {
  ConfigKey first = float_key("beta_1", beta_1, 0, 1), second = float_key("beta_2", beta_2, 0, 1);
  first.max_open = second.max_open = true;
  return {first, second};
}

ConfigKey epsilon_key(double fallback) { return float_key("epsilon", fallback, 0); }

ConfigKey optional_float_key(const std::string& name, double min) {
  ConfigKey key = float_key(name, 0, min);
  key.fallback = {};
  return key;
}

Var power_of(double beta, Var step) { return pow(scalar(*step.graph, step.dtype(), beta), step); }

}  // namespace dl
