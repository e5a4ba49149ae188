#include "optimizers/apply.h"

#include <utility>

#include "layers/constraints.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr DType kCount = DType::kFloat64;  // exact for any number of steps

Var norm_of(std::span<const Var> gradients) {
  Var sum = reduce_sum(square(gradients[0]));
  for (size_t i = 1; i < gradients.size(); ++i) sum = sum + reduce_sum(square(gradients[i]));
  return sqrt(sum);
}

double positive_or_zero(const Config& config, const char* key) { return config.given(key) ? config.real(key) : 0; }

}  // namespace

std::vector<Var> clip_gradients(const Optimizer& optimizer, std::vector<Var> gradients) {
  const Config& config = optimizer.config;
  if (gradients.empty()) return gradients;
  if (const double limit = positive_or_zero(config, "clipvalue"); limit > 0) {
    for (Var& g : gradients) g = clip(g, -limit, limit);
  } else if (const double norm = positive_or_zero(config, "clipnorm"); norm > 0) {
    // g * c / max(norm, c)
    for (Var& g : gradients) g = g * (norm / maximum(norm_of({&g, 1}), norm));
  } else if (const double global = positive_or_zero(config, "global_clipnorm"); global > 0) {
    const Var factor = global / maximum(norm_of(gradients), global);
    for (Var& g : gradients) g = g * factor;
  }
  return gradients;
}

OptimizerStep::OptimizerStep(const Optimizer& optimizer, Program& program, Var batch, std::vector<Var> learning_rates, Update update)
    : optimizer_(optimizer),
      program_(program),
      batch_(batch),
      learning_rate_(learning_rates.at(0)),
      rule_rates_(learning_rates.begin() + 1, learning_rates.end()),
      update_(std::move(update)) {
  if (optimizer.loss_scale) loss_scale_ = parameter(program.graph, kLossScaleName, {learning_rate_.dtype(), {}});
}

Var OptimizerStep::scale(Var loss) const {
  if (loss_scale_.valid()) return loss * cast(loss_scale_, loss.dtype());
  return optimizer_.config.given("loss_scale_factor") ? loss * optimizer_.config.real("loss_scale_factor") : loss;
}

void OptimizerStep::apply(std::vector<TrainedWeight> weights) {
  std::map<const Optimizer*, std::vector<TrainedWeight>> shares;
  for (TrainedWeight& w : weights) shares[&optimizer_of(optimizer_, w.parameter.name)].push_back(std::move(w));
  for (size_t i = 0; i < optimizer_.rules.size(); ++i) {
    const Optimizer& own = optimizer_.rules[i].optimizer;
    if (const auto share = shares.find(&own); share != shares.end())
      OptimizerStep(own, program_, batch_, {rule_rates_.at(i)}, update_).apply_own(share->second);
  }
  if (const auto share = shares.find(&optimizer_); share != shares.end()) apply_own(share->second);
}

void OptimizerStep::apply_own(const std::vector<TrainedWeight>& weights) {
  std::vector<WeightInfo> infos;
  for (const TrainedWeight& w : weights) infos.push_back({w.parameter.name, program_.graph.type(w.parameter.value).shape});
  std::map<std::string, std::vector<const OptimizerState*>> of_weight;
  const std::vector<OptimizerState> state = optimizer_state(optimizer_, infos, learning_rate_.dtype());
  for (const OptimizerState& s : state)
    if (!s.name.empty()) of_weight[s.weight].push_back(&s);
  std::vector<Var> gradients = unscaled(weights);
  count_iterations();
  for (const TrainedWeight& w : weights)
    for (const OptimizerState* s : of_weight[w.parameter.name]) slots_[s->name] = add_parameter(s->name, {s->dtype, s->shape}, s->initial);
  for (const OptimizerState* s : of_weight[""]) slots_[s->name] = add_parameter(s->name, {s->dtype, s->shape}, s->initial);
  gradients = clip_gradients(optimizer_, accumulated(weights, std::move(gradients)));
  update_shared();
  for (size_t i = 0; i < weights.size(); ++i) update_weight(weights[i], gradients[i]);
}

Var OptimizerStep::add_parameter(const std::string& name, TensorType type, double initial) {
  const Var v = parameter(program_.graph, name, std::move(type));
  Initializer initializer;
  if (initial != 0) {
    initializer.class_name = "Constant";
    initializer.config.set("value", initial);
  }
  program_.parameters.push_back({name, v.value, false, std::move(initializer)});
  return v;
}

std::vector<Var> OptimizerStep::unscaled(const std::vector<TrainedWeight>& weights) {
  std::vector<Var> gradients;
  for (const TrainedWeight& w : weights) gradients.push_back(w.gradient);
  if (loss_scale_.valid()) {
    // x - x is 0 for a finite x and NaN for any other.
    Var sum = reduce_sum(gradients[0] - gradients[0]);
    for (size_t i = 1; i < gradients.size(); ++i) sum = sum + reduce_sum(gradients[i] - gradients[i]);
    finite_ = equal(sum, 0.0);
    for (Var& g : gradients) g = g / cast(loss_scale_, g.dtype());
  } else if (optimizer_.config.given("loss_scale_factor")) {
    for (Var& g : gradients) g = g / optimizer_.config.real("loss_scale_factor");
  }
  return gradients;
}

// Which update this batch is for.
void OptimizerStep::count_iterations() {
  Graph& graph = program_.graph;
  Var batch = batch_;
  if (loss_scale_.valid()) {
    const double growth = static_cast<double>(optimizer_.loss_scale->growth_steps);
    add_parameter(kLossScaleName, loss_scale_.type(), optimizer_.loss_scale->initial);
    const Var counter = add_parameter(kLossScaleCounterName, {DType::kInt64, {}}, 0);
    batch = add_parameter(kLossScaleIterationName, {DType::kInt64, {}}, 0);
    const Var zero = scalar(graph, DType::kInt64, 0), one = scalar(graph, DType::kInt64, 1);
    const Var grown = equal(cast(counter, kCount), growth - 1);
    update_(kLossScaleName, loss_scale_ * select(finite_, select(grown, scalar(graph, loss_scale_.dtype(), 2), 1.0), 0.5));
    update_(kLossScaleCounterName, select(finite_, select(grown, zero, counter + one), zero));
    update_(kLossScaleIterationName, batch + select(finite_, one, zero));
  }
  const DType type = learning_rate_.dtype();
  if (!optimizer_.config.given("gradient_accumulation_steps")) {
    done_ = cast(batch, type);
  } else {
    const double every = static_cast<double>(optimizer_.config.integer("gradient_accumulation_steps"));
    const Var count = cast(batch, kCount);
    due_ = equal(mod(count + 1.0, every), 0.0);
    done_ = cast(floor(count / every), type);
  }
  step_ = done_ + 1.0;
}

std::vector<Var> OptimizerStep::accumulated(const std::vector<TrainedWeight>& weights, std::vector<Var> gradients) {
  if (!due_.valid()) return gradients;
  const double every = static_cast<double>(optimizer_.config.integer("gradient_accumulation_steps"));
  for (size_t i = 0; i < gradients.size(); ++i) {
    const std::string name = weights[i].parameter.name + "/" + kAccumulatorSlot;
    const Var sum = gradients[i] + slots_.at(name), kept = select(due_, 0.0, sum);
    update_(name, finite_.valid() ? select(finite_, kept, slots_.at(name)) : kept);
    gradients[i] = sum / every;
  }
  return gradients;
}

void OptimizerStep::set(const std::string& name, Var value, Var old) {
  if (due_.valid()) value = select(due_, value, old);
  if (finite_.valid()) value = select(finite_, value, old);
  update_(name, value);
}

void OptimizerStep::update_shared() {
  if (!optimizer_.def->shared) return;
  const std::string name = shared_slot(optimizer_);
  shared_ = optimizer_.def->update_shared(optimizer_.config, slots_.at(name), step_);
  set(name, shared_, slots_.at(name));
}

void OptimizerStep::update_weight(const TrainedWeight& weight, Var gradient) {
  const std::string& name = weight.parameter.name;
  const ScopeGuard scope(program_.graph, "update/" + name);
  const Config& config = optimizer_.config;
  const Var old{&program_.graph, weight.parameter.value};
  const WeightInfo info{name, old.shape()};
  OptimizerCall call{config, info, old, gradient, learning_rate_, step_, shared_, 0, {}, {}};
  if (optimizer_.def->decay) {
    call.weight_decay = optimizer_.def->decay(config, info);
  } else if (config.given("weight_decay")) {
    call.weight_decay = config.real("weight_decay");
  }
  std::vector<std::pair<std::string, Var>> changed;
  call.slot = [&](const std::string& slot) { return slots_.at(name + "/" + slot); };
  call.set_slot = [&](const std::string& slot, Var value) { changed.emplace_back(name + "/" + slot, value); };
  Var value = optimizer_.def->update(call);
  if (due_.valid()) value = select(due_, value, old);
  if (config.flag("use_ema")) value = averaged(weight, value);
  if (!weight.constraint.is_null()) value = constrained(weight.constraint, value);
  update_(name, finite_.valid() ? select(finite_, value, old) : value);
  for (const auto& [slot, v] : changed) set(slot, v, slots_.at(slot));
}

// Keras keeps the average in every batch, also in those that only accumulate.
Var OptimizerStep::averaged(const TrainedWeight& weight, Var value) {
  const Config& config = optimizer_.config;
  const std::string name = weight.parameter.name + "/" + kAverageSlot;
  const Var old = slots_.at(name);
  const Var momentum = select(equal(done_, 0.0), scalar(program_.graph, value.dtype(), 0), config.real("ema_momentum"));
  const Var average = momentum * old + (1.0 - momentum) * value;
  update_(name, finite_.valid() ? select(finite_, average, old) : average);
  if (!config.given("ema_overwrite_frequency")) return value;
  const Var updates = cast(done_, kCount) + 1.0;
  return select(equal(mod(updates, static_cast<double>(config.integer("ema_overwrite_frequency"))), 0.0), average, value);
}

}  // namespace dl
