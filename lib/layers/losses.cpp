#include "layers/losses.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "layers/expression_builder.h"
#include "ops/builders.h"
#include "ops/nn.h"
#include "spec/expression.h"

namespace dl {

namespace {

constexpr double kEpsilon = 1e-7;  // Keras's fuzz factor

Var clip_probability(Var p) { return clip(p, kEpsilon, 1 - kEpsilon); }

// Probabilities that sum to 1, away from 0 and 1.
Var normalized(Var p) { return clip_probability(p / reduce_sum(p, {-1}, true)); }

ConfigKey from_logits_key() { return bool_key("from_logits", false); }
ConfigKey smoothing_key() { return float_key("label_smoothing", 0, 0, 1); }
ConfigKey last_axis_key() { return unsupported_key("axis", spec::Node::integer(-1)); }

Var logits_of(const LossCall& call, const char* op_name) {
  return call.config.flag("from_logits") ? call.y_pred : find_logits(call.y_pred, op_name);
}

Var sparse_crossentropy(const LossCall& call) {
  if (const Var logits = logits_of(call, "softmax"); logits.valid()) return sparse_softmax_cross_entropy(logits, call.y_true);
  // The logarithm of probabilities that sum to 1 is their own logits, but for the clipping, so it is applied here.
  const Var log_p = log(normalized(call.y_pred));
  const Var target = one_hot(call.y_true, log_p.dim(-1), log_p.dtype());
  return -reduce_sum(select(greater(target, 0.0), log_p, 0.0), {-1});
}

Var crossentropy(const LossCall& call) {
  Var target = call.y_true;
  if (const double smoothing = call.config.real("label_smoothing"); smoothing > 0) {
    const Var classes = size_of(target, {-1}, target.dtype());
    target = target * (1 - smoothing) + smoothing / classes;
  }
  if (const Var logits = logits_of(call, "softmax"); logits.valid()) return softmax_cross_entropy(logits, target);
  return -reduce_sum(target * log(normalized(call.y_pred)), {-1});
}

Var binary(const LossCall& call) {
  Var target = call.y_true;
  if (const double smoothing = call.config.real("label_smoothing"); smoothing > 0) target = target * (1 - smoothing) + 0.5 * smoothing;
  if (const Var logits = logits_of(call, "sigmoid"); logits.valid()) return reduce_mean(sigmoid_cross_entropy(logits, target), {-1});
  const Var p = clip_probability(call.y_pred);
  return reduce_mean(-(target * log(p) + (1.0 - target) * log(1.0 - p)), {-1});
}

Var squared_error(const LossCall& call) { return reduce_mean(square(call.y_true - call.y_pred), {-1}); }
Var absolute_error(const LossCall& call) { return reduce_mean(abs(call.y_true - call.y_pred), {-1}); }

Var huber_error(const LossCall& call) {
  const double delta = call.config.real("delta");
  const Var error = call.y_pred - call.y_true, size = abs(error);
  return reduce_mean(select(less_equal(size, delta), 0.5 * square(error), delta * size - 0.5 * delta * delta), {-1});
}

}  // namespace

const LossDef loss_sparse_categorical_crossentropy = {.name = "sparse_categorical_crossentropy",
                                                      .class_name = "SparseCategoricalCrossentropy",
                                                      .aliases = {},
                                                      .keys = {from_logits_key(), unsupported_key("ignore_class"), last_axis_key()},
                                                      .sparse = true,
                                                      .build = sparse_crossentropy};
const LossDef loss_categorical_crossentropy = {.name = "categorical_crossentropy",
                                               .class_name = "CategoricalCrossentropy",
                                               .aliases = {},
                                               .keys = {from_logits_key(), smoothing_key(), last_axis_key()},
                                               .build = crossentropy};
const LossDef loss_binary_crossentropy = {.name = "binary_crossentropy",
                                          .class_name = "BinaryCrossentropy",
                                          .aliases = {"bce", "BCE"},
                                          .keys = {from_logits_key(), smoothing_key(), last_axis_key()},
                                          .build = binary};
const LossDef loss_mean_squared_error = {
    .name = "mean_squared_error", .class_name = "MeanSquaredError", .aliases = {"mse", "MSE"}, .keys = {}, .build = squared_error};
const LossDef loss_mean_absolute_error = {
    .name = "mean_absolute_error", .class_name = "MeanAbsoluteError", .aliases = {"mae", "MAE"}, .keys = {}, .build = absolute_error};
const LossDef loss_huber = {
    .name = "huber", .class_name = "Huber", .aliases = {}, .keys = {float_key("delta", 1, 0)}, .build = huber_error};

namespace {

constexpr const LossDef* kTable[] = {
#define DL_LOSS(name) &loss_##name,
#include "layers/losses.def"
#undef DL_LOSS
};

const LossDef* find_loss(const std::string& name) {
  for (const LossDef* def : kTable) {
    if (name == def->name || name == def->class_name) return def;
    if (std::any_of(def->aliases.begin(), def->aliases.end(), [&](const char* alias) { return name == alias; })) return def;
  }
  return nullptr;
}

std::vector<std::string_view> loss_names() {
  std::vector<std::string_view> names;
  for (const LossDef* def : kTable) {
    names.emplace_back(def->name);
    names.insert(names.end(), def->aliases.begin(), def->aliases.end());
  }
  names.emplace_back("expression");
  return names;
}

std::vector<double> read_weights(const spec::Node* node, std::span<const std::string> names, const std::string& path,
                                 spec::Problems& problems) {
  std::vector<double> weights(names.size(), 1.0);
  if (!node || node->is_null()) return weights;
  const auto read = [&](size_t i, const spec::Node& value, const std::string& where) {
    if (value.is_number()) {
      weights[i] = value.as_double();
    } else {
      problems.add(value.place(), where, "must be a number");
    }
  };
  if (node->is_list() && node->items().size() == names.size()) {
    for (size_t i = 0; i < names.size(); ++i) read(i, node->items()[i], fmt::format("{}[{}]", path, i));
  } else if (node->is_map()) {
    for (const auto& [key, value] : node->entries()) {
      const auto found = std::find(names.begin(), names.end(), key);
      if (found == names.end()) {
        problems.add(node->key_place(key), join_path(path, key), "is no output of the model");
      } else {
        read(static_cast<size_t>(found - names.begin()), value, join_path(path, key));
      }
    }
  } else {
    problems.add(node->place(), path,
                 fmt::format("must be a list of {} numbers, one per output, or a map from output names", names.size()));
  }
  return weights;
}

// Keras: where ranks differ by one, an axis of size 1 at the end is added or taken away.
void equalize_rank(Var& a, Var& b) {
  for (auto [longer, shorter] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    if (longer->rank() != shorter->rank() + 1 || !(longer->dim(-1) == Dim(1))) continue;
    if (shorter->rank() == 1) {
      *shorter = expand_dims(*shorter, -1);
    } else {
      *longer = squeeze(*longer, {-1});
    }
  }
}

// Weights [batch] or [batch, time] spread over values [batch, time, ...].
Var spread(Var weight, Var values) {
  while (weight.rank() > values.rank() && weight.dim(-1) == Dim(1)) weight = squeeze(weight, {-1});
  while (weight.rank() < values.rank()) weight = expand_dims(weight, -1);
  return weight;
}

}  // namespace

std::span<const LossDef* const> loss_table() { return kTable; }

Loss read_loss(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  Loss loss;
  if (const spec::Node* expression = node.find("expression")) {
    if (expression->is_string() && node.entries().size() == 1) {
      loss.expression = expression->as_string();
      try {
        spec::parse_expression(loss.expression);
      } catch (const UserError& error) {
        problems.add(expression->place(), join_path(path, "expression"), error.what());
      }
      return loss;
    }
    problems.add(expression->place(), join_path(path, "expression"), "must be text over y_true and y_pred, and nothing beside it");
    return loss;
  }
  const std::optional<spec::NamedConfig> named = read_object(node, path, problems);
  if (!named) return loss;
  loss.def = find_loss(named->name);
  if (!loss.def) {
    const std::string hint = spec::suggestion(named->name, loss_names());
    problems.add(node.place(), path, fmt::format("unknown loss '{}'{}", named->name, hint));
    return loss;
  }
  static const spec::Node kEmpty = spec::Node::map({});
  spec::Reader reader(named->config ? *named->config : kEmpty, join_path(path, named->name), problems);
  reader.get("name");
  const std::string reduction = reader.get_string("reduction", std::string("sum_over_batch_size"));
  if (reduction != "sum_over_batch_size" && reduction != "mean")
    reader.report("reduction", "must be sum_over_batch_size; others are not supported yet");
  loss.config = read_config(reader, loss.def->keys);
  reader.finish();
  return loss;
}

std::vector<OutputLoss> read_losses(const spec::Node& node, const spec::Node* weights, std::span<const std::string> names,
                                    const std::string& path, spec::Problems& problems) {
  std::vector<OutputLoss> losses(names.size());
  const bool per_output = node.is_map() && !node.find("class_name") && !node.find("expression") &&
                          std::any_of(names.begin(), names.end(), [&](const std::string& name) { return node.find(name); });
  if (node.is_list()) {
    if (node.items().size() != names.size()) {
      problems.add(node.place(), path, fmt::format("has {} losses for {} outputs", node.items().size(), names.size()));
      return losses;
    }
    for (size_t i = 0; i < names.size(); ++i) losses[i].loss = read_loss(node.items()[i], fmt::format("{}[{}]", path, i), problems);
  } else if (per_output) {
    for (const auto& [key, value] : node.entries())
      if (std::find(names.begin(), names.end(), key) == names.end())
        problems.add(node.key_place(key), join_path(path, key),
                     "is no output of the model" + spec::suggestion(key, std::vector<std::string_view>(names.begin(), names.end())));
    for (size_t i = 0; i < names.size(); ++i) {
      const spec::Node* value = node.find(names[i]);
      if (value) {
        losses[i].loss = read_loss(*value, join_path(path, names[i]), problems);
      } else {
        problems.add(node.place(), path, fmt::format("output '{}' has no loss", names[i]));
      }
    }
  } else {
    const Loss loss = read_loss(node, path, problems);
    for (OutputLoss& output : losses) output.loss = loss;
  }
  const std::vector<double> factors = read_weights(weights, names, "loss_weights", problems);
  for (size_t i = 0; i < losses.size(); ++i) losses[i].weight = factors[i];
  return losses;
}

TensorType target_type(const Loss& loss, const TensorType& y_pred) {
  if (!loss.def || !loss.def->sparse) return {y_pred.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32, y_pred.shape};
  Shape shape = y_pred.shape;
  if (!shape.empty()) shape.pop_back();
  return {DType::kInt64, shape};
}

Var find_logits(Var y_pred, const std::string& op_name) {
  Var x = y_pred;
  for (;;) {
    const dl::Node& node = x.graph->node(x.value);
    const std::string name = node.op->name;
    if (name == "cast" && is_float(x.graph->type(node.inputs[0]).dtype)) {
      x = {x.graph, node.inputs[0]};
      continue;
    }
    if (name != op_name) return {};
    if (name == "softmax") {
      const int64_t axis = node.attrs.integer("axis");
      if (axis != -1 && axis != x.rank() - 1) return {};
    }
    return cast({x.graph, node.inputs[0]}, y_pred.dtype());
  }
}

Var loss_per_sample(const Loss& loss, Var y_true, Var y_pred) {
  const DType dtype = y_pred.dtype() == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
  y_pred = cast(y_pred, dtype);
  try {
    if (!loss.def)
      return build_expression(*y_pred.graph, spec::parse_expression(loss.expression),
                              {{"y_true", cast(y_true, dtype)}, {"y_pred", y_pred}});
    if (loss.def->sparse) {
      if (y_true.rank() == y_pred.rank() && y_true.dim(-1) == Dim(1)) y_true = squeeze(y_true, {-1});
      if (!is_integer(y_true.dtype())) y_true = cast(y_true, DType::kInt64);
    } else {
      y_true = cast(y_true, dtype);
      equalize_rank(y_true, y_pred);
    }
    return loss.def->build({loss.config, y_true, y_pred});
  } catch (UserError& error) {
    error.add_context(
        fmt::format("loss {}: targets {} against outputs {}", loss.name(), to_string(y_true.type()), to_string(y_pred.type())));
    throw;
  }
}

Var build_loss(const Loss& loss, Var y_true, Var y_pred, Var mask, Var sample_weight) {
  const Var values = loss_per_sample(loss, y_true, y_pred);
  Var weight;
  if (mask.valid()) {
    // Kept entries weigh total / kept, so that the mean over all entries is the mean over the kept ones; no entry kept gives 0.
    const Var kept = cast(mask, values.dtype());
    const Var factor = size_of(kept, {}, kept.dtype()) / maximum(reduce_sum(kept), 1.0);
    weight = spread(kept * factor, values);
  }
  if (sample_weight.valid()) {
    const Var given = spread(cast(sample_weight, values.dtype()), values);
    weight = weight.valid() ? weight * given : given;
  }
  return reduce_mean(weight.valid() ? values * weight : values);
}

}  // namespace dl
