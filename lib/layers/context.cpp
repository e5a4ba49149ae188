#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/philox.h"
#include "layers/initializers.h"
#include "layers/layer.h"
#include "layers/regularizers.h"
#include "ops/builders.h"

namespace dl {

namespace {
constexpr std::string_view kStateName = "rnn_state";
}

std::optional<Precision> parse_precision(std::string_view name) {
  if (name == "float32") return Precision{DType::kFloat32, DType::kFloat32};
  if (name == "float64") return Precision{DType::kFloat64, DType::kFloat64};
  if (name == "bfloat16" || name == "mixed_bfloat16") return Precision{DType::kFloat32, DType::kBFloat16};
  return std::nullopt;
}

bool is_carried_state(std::string_view parameter) {
  const size_t slash = parameter.rfind('/');
  return slash != std::string_view::npos && parameter.substr(slash + 1).starts_with(kStateName);
}

std::vector<size_t> WeightRegistry::keras_order(const std::string& layer) const {
  std::vector<size_t> order;
  for (size_t i = 0; i < weights_.size(); ++i)
    if (weights_[i].layer == layer) order.push_back(i);
  std::stable_partition(order.begin(), order.end(), [&](size_t i) { return weights_[i].parameter.trainable; });
  return order;
}

std::optional<size_t> WeightRegistry::find(const std::string& name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? std::nullopt : std::optional(it->second);
}

std::vector<Parameter> WeightRegistry::parameters() const {
  std::vector<Parameter> parameters;
  for (const Weight& weight : weights_) parameters.push_back(weight.parameter);
  return parameters;
}

size_t WeightRegistry::add(Graph& graph, Weight weight, TensorType type) {
  const std::string& name = weight.parameter.name;
  if (const std::optional<size_t> old = find(name)) {
    const TensorType& known = graph.type(weights_[*old].parameter.value);
    if (known == type) return *old;
    throw UserError(fmt::format("weight '{}' is {} from an earlier use and cannot be {}: a shared layer needs inputs of equal size", name,
                                to_string(known), to_string(type)));
  }
  weight.parameter.value = parameter(graph, name, std::move(type)).value;
  index_[name] = weights_.size();
  weights_.push_back(std::move(weight));
  return weights_.size() - 1;
}

LayerContext::LayerContext(Graph& graph, WeightRegistry& registry, BuildResult& result, const Options& options, const Layer& layer,
                           int64_t call_index)
    : graph_(graph), registry_(registry), result_(result), options_(options), layer_(layer), owner_(layer.name), call_index_(call_index) {
  if (!layer.dtype.empty()) options_.precision.compute = parse_precision(layer.dtype)->compute;
}

LayerContext LayerContext::child(const Layer& layer) const {
  LayerContext context(graph_, registry_, result_, options_, layer, call_index_);
  context.owner_ = owner_;
  context.name_prefix_ = name_prefix_;
  context.object_prefix_ = object_prefix_;
  return context;
}

Var LayerContext::add_weight(WeightSpec spec) {
  Weight weight;
  weight.object = object_prefix_;
  weight.parameter.name = owner_ + "/" + name_prefix_ + spec.name;
  return register_weight(std::move(weight), std::move(spec));
}

Var LayerContext::add_named_weight(WeightSpec spec) {
  Weight weight;
  weight.parameter.name = spec.name;
  return register_weight(std::move(weight), std::move(spec));
}

Var LayerContext::register_weight(Weight weight, WeightSpec spec) {
  for (Dim dim : spec.shape) {
    if (!dim.known())
      throw UserError(fmt::format("the size of '{}' {} depends on '{}', which is not known: give that size in the input's shape", spec.name,
                                  to_string(spec.shape), to_string(dim)));
  }
  weight.layer = owner_;
  weight.parameter.trainable = spec.trainable && layer_.trainable;
  weight.parameter.initializer = spec.initializer;
  weight.constraint = spec.constraint;
  const bool trainable = weight.parameter.trainable;
  size_t index = 0;
  const auto make = [&] {
    index = registry_.add(graph_, std::move(weight), {spec.dtype.value_or(variable_dtype()), spec.shape});
    Var value{&graph_, registry_.weights()[index].parameter.value};
    for (const WeightUpdate& assigned : result_.assigned)
      if (assigned.weight == index) value = assigned.value;
    return value;
  };
  const Var value = assign_ && object_prefix_ == assign_prefix_ ? assign_(spec, make) : make();
  if (training() && trainable && !spec.regularizer.is_null() && result_.regularized.insert(index).second)
    result_.losses.push_back(regularization_loss(spec.regularizer, value));
  return spec.autocast ? to_compute(value) : value;
}

WeightSpec LayerContext::weight_spec(const std::string& name, Shape shape, const std::string& key) const {
  const std::string prefix = key.empty() ? name : key;
  WeightSpec spec{name, std::move(shape), make_initializer(config().node(prefix + "_initializer"))};
  if (config().has(prefix + "_regularizer")) spec.regularizer = config().node(prefix + "_regularizer");
  if (config().has(prefix + "_constraint")) spec.constraint = config().node(prefix + "_constraint");
  return spec;
}

Var LayerContext::add_weight(const std::string& name, Shape shape, const std::string& key) {
  return add_weight(weight_spec(name, std::move(shape), key));
}

Var LayerContext::latest(const std::string& name, Var weight) const {
  const std::optional<size_t> index = registry_.find(owner_ + "/" + name_prefix_ + name);
  for (const WeightUpdate& update : result_.updates)
    if (index && update.weight == *index) return update.value;
  return weight;
}

void LayerContext::update_weight(const std::string& name, Var value) {
  const std::optional<size_t> index = registry_.find(owner_ + "/" + name_prefix_ + name);
  DL_CHECK(index, "update of unknown weight " + name);
  std::erase_if(result_.updates, [&](const WeightUpdate& update) { return update.weight == *index; });
  result_.updates.push_back({*index, cast(value, variable_dtype())});
}

Var LayerContext::assign_weight(const std::string& name, Var value) {
  const std::optional<size_t> index = registry_.find(owner_ + "/" + name_prefix_ + name);
  DL_CHECK(index, "assignment to unknown weight " + name);
  value = stop_gradient(value);
  if (registry_.weights()[*index].parameter.trainable)
    result_.assigned.push_back({*index, value});
  else
    update_weight(name, value);
  return value;
}

Var LayerContext::state(size_t i, const Shape& shape) {
  for (Dim dim : shape)
    if (!dim.known())
      throw UserError(fmt::format("stateful needs to know every size of its state {}: give the input a batch_shape, such as [32, 10, 8]",
                                  to_string(shape)));
  const std::string full = state_name(i);
  for (const CarriedState& s : result_.states)
    if (s.name == full) return s.next;
  const Var value = parameter(graph_, full, {variable_dtype(), shape});
  result_.states.push_back({full, value, value});
  return value;
}

std::string LayerContext::state_name(size_t i) const {
  return i == 0 ? fmt::format("{}/{}{}", owner_, name_prefix_, kStateName) : fmt::format("{}/{}{}_{}", owner_, name_prefix_, kStateName, i);
}

void LayerContext::set_state(size_t i, Var value) {
  const std::string full = state_name(i);
  for (CarriedState& s : result_.states)
    if (s.name == full) s.next = cast(value, variable_dtype());
}

void LayerContext::add_loss(Var loss) { result_.losses.push_back(cast(loss, variable_dtype())); }

void LayerContext::warn(const std::string& message) { result_.warnings.push_back(fmt::format("layer '{}': {}", layer_.name, message)); }

Var LayerContext::random_uniform(const Shape& shape, const spec::Node& seed) {
  DL_CHECK(options_.counter.valid(), "random numbers need BuildOptions::counter");
  const std::string stream = fmt::format("{}/{}{}#{}", owner_, name_prefix_, call_index_, random_uses_++);
  const int64_t number = static_cast<int64_t>(hash_name(stream.data(), stream.size()));
  const int64_t used_seed = seed.is_null() ? options_.seed : seed.as_int();
  return dl::random_uniform(options_.counter, shape, DType::kFloat32, used_seed, number);
}

Var LayerContext::to_compute(Var x) { return x.dtype() == compute_dtype() ? x : cast(x, compute_dtype()); }

LayerContext::SubLayer::SubLayer(LayerContext& context, const std::string& name, const std::string& object)
    : context_(context), saved_name_(context.name_prefix_), saved_object_(context.object_prefix_) {
  context.name_prefix_ += name + "/";
  context.object_prefix_ += (context.object_prefix_.empty() ? "" : "/") + object;
}

LayerContext::SubLayer::~SubLayer() {
  context_.name_prefix_ = saved_name_;
  context_.object_prefix_ = saved_object_;
}

}  // namespace dl
