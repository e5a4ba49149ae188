#include "train/metric.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "spec/expression.h"
#include "train/metrics/loss_metric.h"

namespace dl {

#define DL_METRIC(name) extern const MetricDef metric_##name;
#include "train/metrics.def"
#undef DL_METRIC

namespace {

const MetricDef* const kMetrics[] = {
#define DL_METRIC(name) &metric_##name,
#include "train/metrics.def"
#undef DL_METRIC
};

// Keras: the words choose by the shapes, the class compares values.
bool is_accuracy(const spec::NamedConfig& named) {
  return named.name == "accuracy" || named.name == "acc" || (named.name == "Accuracy" && !named.config);
}

const MetricDef* find_metric(std::string_view name) {
  for (const MetricDef* def : kMetrics) {
    const auto is_name = [&](const char* alias) { return name == alias; };
    if (is_name(def->name) || is_name(def->class_name) || std::any_of(def->aliases.begin(), def->aliases.end(), is_name)) return def;
  }
  return nullptr;
}

std::vector<std::string_view> metric_names() {
  std::vector<std::string_view> names = {"accuracy", "expression"};
  for (const MetricDef* def : kMetrics) {
    names.emplace_back(def->name);
    names.emplace_back(def->class_name);
    names.insert(names.end(), def->aliases.begin(), def->aliases.end());
  }
  return names;
}

ConfigKey name_key() { return {.name = "name", .kind = KeyKind::kString}; }

void check_name(const std::string& name, spec::Reader& reader) {
  if (name.empty() || name == "loss" || name.starts_with("val_"))
    reader.report("name", fmt::format("is '{}', which would be taken for another log; choose another name", name));
}

// {expression: "abs(y_true - y_pred)", name: error}
MetricSpec read_expression(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  MetricSpec result;
  spec::Reader reader(node, path, problems);
  static constexpr std::string_view kReductions[] = {"mean", "sum"}, kDirections[] = {"down", "up"};
  result.expression = reader.get_string("expression");
  result.name = reader.get_string("name", "expression");
  result.sum = reader.get_choice("reduction", kReductions, "mean") == "sum";
  result.given_direction = reader.get_choice("direction", kDirections, "down") == "up" ? Direction::kUp : Direction::kDown;
  try {
    spec::parse_expression(result.expression);
  } catch (const UserError& error) {
    reader.report("expression", error.what());
  }
  check_name(result.name, reader);
  reader.finish();
  return result;
}

MetricSpec read_metric(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  if (node.is_map() && node.find("expression")) return read_expression(node, path, problems);
  MetricSpec result;
  const auto named = read_object(node, path, problems);
  if (!named) return result;
  const bool accuracy = is_accuracy(*named);
  if (!accuracy) result.def = find_metric(named->name);
  if (!result.def && !accuracy) {
    const std::vector<std::string_view> names = metric_names();
    std::string hint = spec::suggestion(named->name, names);
    if (hint.empty()) hint = spec::formula_hint(named->name);
    if (hint.empty()) {
      for (const MetricDef* def : kMetrics) hint += fmt::format("{}{}", hint.empty() ? "; known: " : ", ", def->name);
    }
    problems.add(node.place(), path, fmt::format("unknown metric '{}'{}", named->name, hint));
    return result;
  }
  static const spec::Node kEmpty = spec::Node::map({});
  const bool configured = named->config && !named->config->is_null();
  spec::Reader reader(configured ? *named->config : kEmpty, join_path(path, named->name), problems);
  std::vector<ConfigKey> keys = {name_key(), ignored_key("dtype")};
  if (result.def) keys = join_keys(std::move(keys), result.def->keys);
  const size_t before = problems.lines().size();
  result.config = read_config(reader, keys);
  if (result.def && result.def->check && problems.lines().size() == before) result.def->check(result.config, reader);
  reader.finish();
  // Keras calls a metric given by name as it was typed, and an object by its own name.
  result.name = configured && result.def ? result.def->name : named->name;
  if (const spec::Node& name = result.config.node("name"); name.is_string()) result.name = name.as_string();
  check_name(result.name, reader);
  return result;
}

std::vector<MetricSpec> read_list(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  std::vector<MetricSpec> result;
  if (node.is_null()) return result;
  const auto add = [&](const spec::Node& item, const std::string& where) {
    MetricSpec metric = read_metric(item, where, problems);
    if (metric.name.empty()) return;
    const bool taken = std::any_of(result.begin(), result.end(), [&](const MetricSpec& other) { return other.name == metric.name; });
    if (taken)
      problems.add(item.place(), where, fmt::format("a second metric is called '{}'; give one of them another `name`", metric.name));
    result.push_back(std::move(metric));
  };
  if (!node.is_list()) {
    add(node, path);
  } else {
    for (size_t i = 0; i < node.items().size(); ++i) add(node.items()[i], fmt::format("{}[{}]", path, i));
  }
  return result;
}

int64_t known_or(const Dim& dim, int64_t fallback) { return dim.known() ? dim.value() : fallback; }

const MetricDef* resolve_accuracy(const TensorType& y_true, const TensorType& y_pred) {
  if (!y_pred.shape.empty() && known_or(y_pred.shape.back(), -1) == 1) return find_metric("binary_accuracy");
  const bool sparse = y_true.shape.size() < y_pred.shape.size() || (!y_true.shape.empty() && known_or(y_true.shape.back(), -1) == 1);
  return find_metric(sparse ? "sparse_categorical_accuracy" : "categorical_accuracy");
}

// A last axis of size 1 more or less makes no difference, as in Keras.
Shape without_unit_axis(Shape shape) {
  if (shape.size() > 1 && shape.back() == Dim(1)) shape.pop_back();
  return shape;
}

void check_types(const MetricDef& def, const std::string& name, const TensorType& y_true, const TensorType& y_pred) {
  const auto fail = [&](const std::string& cure) {
    throw UserError(
        fmt::format("metric '{}': does not fit targets {} and predictions {}: {}", name, to_string(y_true), to_string(y_pred), cure));
  };
  if (!is_float(y_pred.dtype)) fail("predictions must be of a floating type");
  if (def.target == TargetKind::kAny) return;
  if (def.target == TargetKind::kSparse) {
    Shape classes = y_pred.shape;
    if (classes.size() < 2) fail("predictions must have a class axis");
    classes.pop_back();
    if (without_unit_axis(y_true.shape) != without_unit_axis(classes)) {
      fail(fmt::format("it takes class indices; for one-hot targets use {}",
                       std::string(def.name).substr(std::string_view("sparse_").size())));
    }
    return;
  }
  const bool same = without_unit_axis(y_true.shape) == without_unit_axis(y_pred.shape);
  if (def.target == TargetKind::kOneHot && !same) fail(fmt::format("it takes one-hot targets; for class indices use sparse_{}", def.name));
  if (!same) fail("it takes one target value for each prediction");
}

}  // namespace

std::span<const MetricDef* const> metric_table() { return kMetrics; }

std::vector<std::vector<MetricSpec>> read_metrics(const spec::Node& node, std::span<const std::string> output_names,
                                                  const std::string& path, spec::Problems& problems) {
  std::vector<std::vector<MetricSpec>> result(output_names.size());
  const auto output_of = [&](std::string_view name) { return std::find(output_names.begin(), output_names.end(), name); };
  const bool by_name =
      node.is_map() && !node.find("class_name") && !node.find("expression") &&
      (output_names.size() > 1 || (node.entries().size() == 1 && output_of(node.entries()[0].first) != output_names.end()));
  if (by_name) {
    for (const auto& [key, value] : node.entries()) {
      const auto output = output_of(key);
      const std::string where = join_path(path, key);
      if (output == output_names.end()) {
        const std::vector<std::string_view> names(output_names.begin(), output_names.end());
        problems.add(node.key_place(key), where, fmt::format("is no output of the model{}", spec::suggestion(key, names)));
      } else {
        result[static_cast<size_t>(output - output_names.begin())] = read_list(value, where, problems);
      }
    }
  } else if (output_names.size() == 1) {
    result[0] = read_list(node, path, problems);
  } else if (node.is_list() && node.items().size() == output_names.size()) {
    for (size_t i = 0; i < output_names.size(); ++i) result[i] = read_list(node.items()[i], fmt::format("{}[{}]", path, i), problems);
  } else if (!node.is_null() && !(node.is_list() && node.items().empty())) {
    problems.add(node.place(), path,
                 fmt::format("must be a map from output names to metrics, or a list with one entry for each of the {} outputs",
                             output_names.size()));
  }
  return result;
}

std::unique_ptr<Metric> make_metric(const MetricSpec& spec, const TensorType& y_true, const TensorType& y_pred) {
  if (!spec.expression.empty()) return make_expression_metric(spec.expression, spec.sum, spec.name);
  if (spec.def) {
    // Along another axis the loss looks itself.
    if (!spec.config.has("axis") || !spec.config.given("axis") || spec.config.node("axis").kind() != spec::Kind::kInt ||
        spec.config.integer("axis") == -1)
      check_types(*spec.def, spec.name, y_true, y_pred);
    const int64_t classes = y_pred.shape.empty() ? 1 : known_or(y_pred.shape.back(), std::numeric_limits<int64_t>::max());
    if (spec.config.has("class_id") && spec.config.given("class_id") && spec.config.integer("class_id") >= classes) {
      throw UserError(
          fmt::format("metric '{}': class_id is {}, must be from 0 to {}", spec.name, spec.config.integer("class_id"), classes - 1));
    }
    return spec.def->make_for ? spec.def->make_for(spec.config, spec.name, {y_true, y_pred}) : spec.def->make(spec.config, spec.name);
  }
  const MetricDef* def = resolve_accuracy(y_true, y_pred);
  check_types(*def, spec.name, y_true, y_pred);
  spec::Problems none;
  const spec::Node empty = spec::Node::map({});
  spec::Reader reader(empty, "", none);
  return def->make(read_config(reader, def->keys), spec.name);
}

int64_t matrix_columns(const MetricTypes& types, const std::string& metric) {
  const Shape& shape = types.y_pred.shape;
  if (shape.size() == 2 && shape[1].known()) return shape[1].value();
  throw UserError(fmt::format("metric '{}': needs predictions [batch, outputs], the output is {}", metric, to_string(shape)));
}

std::string metric_log_name(const MetricSpec& spec, const std::string& output_name, size_t outputs) {
  return outputs > 1 ? fmt::format("{}_{}", output_name, spec.name) : spec.name;
}

}  // namespace dl
