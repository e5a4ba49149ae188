#include "io/raise/rules.h"

#include <fmt/format.h>

#include "ops/ops.h"

namespace dl::raise {

#define DL_RAISE_RULE(name) void rule_##name(const Site& site, std::vector<Proposal>& proposals);
#include "io/raise/rules.def"
#undef DL_RAISE_RULE

const std::vector<Rule>& all_rules() {
  static const std::vector<Rule> kRules = {
#define DL_RAISE_RULE(name) rule_##name,
#include "io/raise/rules.def"
#undef DL_RAISE_RULE
  };
  return kRules;
}

bool Site::is_weight(Value v) const { return op(v) == &op_parameter || op(v) == &op_constant; }

std::optional<double> Site::number(Value v) const {
  if (op(v) != &op_constant) return std::nullopt;
  const Tensor& value = node(v).attrs.tensor("value");
  return value.size() == 1 ? std::optional(value.at(0)) : std::nullopt;
}

const Tensor& Site::tensor(Value v) const {
  return op(v) == &op_constant ? node(v).attrs.tensor("value") : weights_.at(node(v).attrs.text("name"));
}

std::optional<Value> Site::beside_weight(Value v) const {
  if (node(v).inputs.size() != 2) return std::nullopt;
  for (size_t i = 0; i < 2; ++i)
    if (is_weight(operand(v, i)) && !is_weight(operand(v, 1 - i))) return operand(v, 1 - i);
  return std::nullopt;
}

spec::Node map_of(std::initializer_list<std::pair<const char*, spec::Node>> entries) {
  spec::Node::Map map;
  for (const auto& [key, value] : entries) map.emplace_back(key, value);
  return spec::Node::map(std::move(map));
}

spec::Node list_of(const std::vector<int64_t>& values) {
  std::vector<spec::Node> items;
  for (const int64_t v : values) items.push_back(spec::Node::integer(v));
  return spec::Node::list(std::move(items));
}

std::string with_dimensions(const char* name, size_t spatial) { return fmt::format("{}{}D", name, spatial); }

}  // namespace dl::raise
