#include "layers/constraints.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "layers/config.h"
#include "ops/builders.h"

namespace dl {
namespace {

constexpr double kEpsilon = 1e-7;  // Keras's fuzz factor

struct Row {
  const char* class_name;
  const char* alias;
  std::vector<ConfigKey> keys;
  Var (*apply)(const spec::Node& config, Var weight);
};

double real(const spec::Node& config, const char* key) { return config.find(key)->as_double(); }

// Along the axes of the config, which stay with size 1.
Var norms(const spec::Node& config, Var weight) {
  const spec::Node& given = *config.find("axis");
  std::vector<int64_t> axes;
  if (given.is_list()) {
    for (const spec::Node& item : given.items()) axes.push_back(item.as_int());
  } else if (!given.is_null()) {
    axes.push_back(given.as_int());
  }
  return sqrt(reduce_sum(square(weight), normalize_axes(std::move(axes), weight.rank(), "constraint"), true));
}

Var to_norm(Var weight, Var length, Var wanted) { return weight * (wanted / (length + kEpsilon)); }

Var max_norm(const spec::Node& config, Var weight) {
  const Var length = norms(config, weight);
  return to_norm(weight, length, clip(length, 0, real(config, "max_value")));
}

Var min_max_norm(const spec::Node& config, Var weight) {
  const double rate = real(config, "rate");
  const Var length = norms(config, weight);
  return to_norm(weight, length, rate * clip(length, real(config, "min_value"), real(config, "max_value")) + (1 - rate) * length);
}

ConfigKey axis_key() { return any_key("axis", spec::Node::integer(0)); }

const Row kRows[] = {{"MaxNorm", "max_norm", {float_key("max_value", 2, 0), axis_key()}, max_norm},
                     {"NonNeg", "non_neg", {}, [](const spec::Node&, Var weight) { return maximum(weight, 0.0); }},
                     {"UnitNorm",
                      "unit_norm",
                      {axis_key()},
                      [](const spec::Node& config, Var weight) { return weight / (norms(config, weight) + kEpsilon); }},
                     {"MinMaxNorm",
                      "min_max_norm",
                      {float_key("min_value", 0, 0), float_key("max_value", 1, 0), float_key("rate", 1, 0, 1), axis_key()},
                      min_max_norm}};

constexpr std::string_view kNames[] = {"MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm"};
constexpr std::string_view kKnown[] = {"MaxNorm", "NonNeg", "UnitNorm", "MinMaxNorm", "max_norm", "non_neg", "unit_norm", "min_max_norm"};

// TF.js and Keras 1 write the aliases as they come; Keras 2 wrote NonNeg{} only so.
const Row* find_row(const std::string& name) {
  const auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return name == r.class_name || name == r.alias; });
  return row == std::end(kRows) ? nullptr : row;
}

bool is_axis(const spec::Node& node) {
  if (node.is_list())
    return std::all_of(node.items().begin(), node.items().end(), [](const spec::Node& n) { return n.kind() == spec::Kind::kInt; });
  return node.is_null() || node.kind() == spec::Kind::kInt;
}

}  // namespace

std::span<const std::string_view> constraint_names() { return kNames; }

spec::Node read_constraint(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  const std::optional<spec::NamedConfig> named = read_object(node, path, problems);
  if (!named) return {};
  const Row* row = find_row(named->name);
  if (!row) {
    std::string hint = spec::suggestion(named->name, kKnown);
    if (hint.empty()) hint = "; known: MaxNorm, NonNeg, UnitNorm, MinMaxNorm";
    problems.add(node.place(), path, fmt::format("unknown constraint '{}'{}", named->name, hint));
    return {};
  }
  static const spec::Node kEmpty = spec::Node::map({});
  spec::Reader reader(named->config ? *named->config : kEmpty, join_path(path, named->name), problems);
  const Config config = read_config(reader, row->keys);
  if (config.has("axis") && !is_axis(config.node("axis"))) reader.report("axis", "must be an integer or a list of integers");
  if (config.has("min_value") && config.real("min_value") > config.real("max_value"))
    reader.report("min_value", "must not be above max_value");
  reader.finish();
  return spec::Node::map({{"class_name", spec::Node::string(row->class_name)}, {"config", config.values()}});
}

Var constrained(const spec::Node& node, Var weight) {
  return find_row(node.find("class_name")->as_string())->apply(*node.find("config"), weight);
}

}  // namespace dl
