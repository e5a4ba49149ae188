#include "layers/regularizers.h"

#include <fmt/format.h>

#include "base/error.h"
#include "layers/config.h"
#include "ops/builders.h"

namespace dl {

namespace {

constexpr double kEpsilon = 1e-7;  // Keras's fuzz factor

double real_or_zero(const spec::Node& config, const char* key) {
  const spec::Node* value = config.find(key);
  return value ? value->as_double() : 0;
}

Var l1_l2(const spec::Node& config, Var weight) {
  Var loss;
  const auto add_term = [&](Var term) { loss = loss.valid() ? loss + term : term; };
  if (const double l1 = real_or_zero(config, "l1"); l1 != 0) add_term(reduce_sum(abs(weight)) * l1);
  if (const double l2 = real_or_zero(config, "l2"); l2 != 0) add_term(reduce_sum(square(weight)) * l2);
  return loss.valid() ? loss : scalar(*weight.graph, weight.dtype(), 0);
}

// The mean cosine, without its sign, between two rows (columns).
Var orthogonal(const spec::Node& config, Var weight) {
  if (weight.rank() != 2) throw UserError("OrthogonalRegularizer takes a matrix, got " + to_string(weight.shape()));
  const bool rows = config.find("mode")->as_string() == "rows";
  const Var length = reduce_sum(square(weight), {rows ? 1 : 0}, true);
  const Var unit = weight * rsqrt(maximum(length, kEpsilon * kEpsilon));
  const Var products = matmul(unit, unit, !rows, rows);
  const Dim count = products.dim(0);
  const Var row = iota(*weight.graph, DType::kInt64, {count, Dim(1)}, 0), column = iota(*weight.graph, DType::kInt64, {Dim(1), count}, 1);
  const double size = static_cast<double>(count.value()), pairs = size * (size - 1) / 2;
  return reduce_sum(abs(select(equal(row, column), 0.0, products))) * (real_or_zero(config, "factor") * 0.5 / pairs);
}

struct Row {
  const char* class_name;
  const char* alias;
  std::vector<ConfigKey> keys;
  Var (*loss)(const spec::Node& config, Var weight);
};
const Row kRows[] = {{"L1", "l1", {float_key("l1", 0.01, 0)}, l1_l2},
                     {"L2", "l2", {float_key("l2", 0.01, 0)}, l1_l2},
                     {"L1L2", "l1_l2", {float_key("l1", 0, 0), float_key("l2", 0, 0)}, l1_l2},
                     {"OrthogonalRegularizer",
                      "orthogonal_regularizer",
                      {float_key("factor", 0.01, 0), choice_key("mode", {"rows", "columns"}, "rows")},
                      orthogonal}};

}  // namespace

spec::Node read_regularizer(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  const std::optional<spec::NamedConfig> named = read_object(node, path, problems);
  if (!named) return {};
  for (const Row& row : kRows) {
    if (named->name != row.class_name && named->name != row.alias) continue;
    static const spec::Node kEmpty = spec::Node::map({});
    spec::Reader reader(named->config ? *named->config : kEmpty, join_path(path, named->name), problems);
    const Config config = read_config(reader, row.keys);
    reader.finish();
    return spec::Node::map({{"class_name", spec::Node::string(row.class_name)}, {"config", config.values()}});
  }
  std::vector<std::string_view> names;
  for (const Row& row : kRows) names.emplace_back(row.class_name);
  for (const Row& row : kRows) names.emplace_back(row.alias);
  std::string hint = spec::suggestion(named->name, names);
  if (hint.empty()) hint = "; known: L1, L2, L1L2, OrthogonalRegularizer";
  problems.add(node.place(), path, fmt::format("unknown regularizer '{}'{}", named->name, hint));
  return {};
}

Var regularization_loss(const spec::Node& node, Var weight) {
  const std::string& class_name = node.find("class_name")->as_string();
  for (const Row& row : kRows)
    if (class_name == row.class_name) return row.loss(*node.find("config"), weight);
  throw InternalError("unknown regularizer " + class_name);
}

}  // namespace dl
