// Words that the rewrites and rules of this folder share. Who uses it: spelling, cuts, windows, transposes, match, rules_*.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "graph/var.h"
#include "ops/ops.h"

namespace dl::raise {

using Ints = std::vector<int64_t>;
using Replacement = std::optional<Var>;  // what to put in the place of a node; nullopt: it stays

inline const Node& node_of(Var v) { return v.graph->node(v.value); }
inline Var operand(Var v, size_t i) { return {v.graph, node_of(v).inputs.at(i)}; }

// The number of a constant of one element.
inline std::optional<double> constant_of(Var v) {
  const Node& node = node_of(v);
  if (node.op != &op_constant) return std::nullopt;
  const Tensor& value = node.attrs.tensor("value");
  return value.size() == 1 ? std::optional(value.at(0)) : std::nullopt;
}

inline bool all_zero(const Ints& values) {
  return std::all_of(values.begin(), values.end(), [](int64_t v) { return v == 0; });
}

}  // namespace dl::raise
