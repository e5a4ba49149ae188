#include "layers/losses.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "layers/expression_builder.h"
#include "layers/losses/common.h"
#include "ops/builders.h"
#include "spec/expression.h"

namespace dl {

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

Reduction read_reduction(spec::Reader& reader) {
  const spec::Node* given = reader.get("reduction");
  const std::string name = !given ? "sum_over_batch_size" : given->is_string() ? given->as_string() : "none";
  if (name == "sum") return Reduction::kSum;
  if (name == "mean_with_sample_weight") return Reduction::kWeightedMean;
  if (name != "sum_over_batch_size" && name != "mean" && name != "auto")
    reader.report("reduction",
                  "must be sum_over_batch_size, mean, mean_with_sample_weight or sum; training needs one number, so none is not possible");
  return Reduction::kMean;
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
    std::string hint = spec::suggestion(named->name, loss_names());
    if (hint.empty()) hint = spec::formula_hint(named->name);
    if (hint.empty()) {
      for (const LossDef* def : kTable) hint += fmt::format(", {}", def->name);
      hint = "; known: expression" + hint;
    }
    problems.add(node.place(), path, fmt::format("unknown loss '{}'{}", named->name, hint));
    return loss;
  }
  static const spec::Node kEmpty = spec::Node::map({});
  spec::Reader reader(named->config ? *named->config : kEmpty, join_path(path, named->name), problems);
  reader.get("name");
  reader.get("dtype");
  loss.reduction = read_reduction(reader);
  const size_t before = problems.lines().size();
  loss.config = read_config(reader, loss.def->keys);
  if (loss.def->check && problems.lines().size() == before) loss.def->check(loss.config, reader);
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
  const LossTarget target = loss.def ? loss.def->target : LossTarget::kSame;
  Shape shape = y_pred.shape;
  switch (target) {
    case LossTarget::kSame:
      return {y_pred.dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32, shape};
    case LossTarget::kSequence:
      return {DType::kInt64, {shape.empty() ? Dim::symbol("batch") : shape[0], Dim::symbol("labels")}};
    case LossTarget::kClass:
    case LossTarget::kGroup:
      break;
  }
  const int64_t axis = loss.config.has("axis") ? loss.config.integer("axis") : -1;
  if (!shape.empty()) shape.erase(shape.begin() + normalize_axis(axis, static_cast<int64_t>(shape.size()), "loss"));
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

LossValues loss_per_sample(const Loss& loss, Var y_true, Var y_pred, const std::map<std::string, Var>& inputs) {
  const DType dtype = y_pred.dtype() == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
  y_pred = cast(y_pred, dtype);
  try {
    if (!loss.def) {
      std::map<std::string, Var> names = inputs;
      names["y_true"] = cast(y_true, dtype);
      names["y_pred"] = y_pred;
      return {build_expression(*y_pred.graph, spec::parse_expression(loss.expression), names), {}};
    }
    if (loss.def->target == LossTarget::kSame) {
      y_true = cast(y_true, dtype);
      equalize_rank(y_true, y_pred);
    } else {
      if (y_true.rank() == y_pred.rank() && y_true.dim(-1) == Dim(1)) y_true = squeeze(y_true, {-1});
      y_true = cast(y_true, DType::kInt64);
    }
    LossValues result;
    result.values = loss.def->build({loss.config, y_true, y_pred, &result.mask});
    return result;
  } catch (UserError& error) {
    error.add_context(
        fmt::format("loss {}: targets {} against outputs {}", loss.name(), to_string(y_true.type()), to_string(y_pred.type())));
    throw;
  }
}

Var build_loss(const Loss& loss, Var y_true, Var y_pred, Var mask, Var sample_weight, const std::map<std::string, Var>& inputs) {
  const LossValues made = loss_per_sample(loss, y_true, y_pred, inputs);
  const Var values = made.values;
  const DType dtype = values.dtype();
  if (made.mask.valid()) mask = mask.valid() ? logical_and(spread(mask, made.mask), made.mask) : made.mask;
  Var weight;
  if (mask.valid()) {
    weight = cast(mask, dtype);
    // Kept entries weigh total / kept, so that the mean over all entries is the mean over the kept ones; no entry kept gives 0.
    if (loss.reduction == Reduction::kMean) weight = weight * (size_of(weight, {}, dtype) / maximum(reduce_sum(weight), 1.0));
    weight = spread(weight, values);
  }
  if (sample_weight.valid()) {
    const Var given = spread(cast(sample_weight, dtype), values);
    weight = weight.valid() ? weight * given : given;
  }
  const Var weighted = weight.valid() ? values * weight : values;
  if (values.rank() == 0 && !weight.valid()) return values;
  if (loss.reduction == Reduction::kSum) return reduce_sum(weighted);
  if (loss.reduction == Reduction::kMean || !weight.valid()) return reduce_mean(weighted);
  // Keras divides by the sum of the weights as they are given, before they are spread over further axes.
  const Var total = reduce_sum(weight);
  return select(equal(total, 0.0), 0.0, reduce_sum(weighted) / select(equal(total, 0.0), 1.0, total));
}

}  // namespace dl
