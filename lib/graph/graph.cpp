#include "graph/graph.h"

#include <fmt/format.h>

#include "graph/op_def.h"

namespace dl {

std::string to_string(const TensorType& type) { return name_of(type.dtype) + to_string(type.shape); }

void infer_error(const InferCall& call, const std::string& message) {
  std::string operands;
  for (const TensorType& t : call.inputs) operands += (operands.empty() ? "" : ", ") + to_string(t);
  throw UserError(fmt::format("{}({}): {}", call.op.name, operands, message));
}

double flops_of(const OpDef& op, const CostCall& call) {
  if (op.flops) return op.flops(call);
  if (op.kind == OpKind::kSource || op.kind == OpKind::kView) return 0;
  double count = 0;
  for (const TensorType& t : call.outputs) count += static_cast<double>(element_count(t.shape).value());
  return count;
}

Graph::Graph() : scopes_{""} { scope_index_[""] = 0; }

namespace {

// Every attribute the operator declares, in its type; nothing else.
Attrs complete(const OpDef& op, const Attrs& given) {
  Attrs full;
  size_t used = 0;
  for (const AttrSpec& spec : op.attrs) {
    const AttrValue* value = given.find(spec.name);
    used += value != nullptr;
    DL_CHECK(value || !spec.required, fmt::format("{}: attribute '{}' is required", op.name, spec.name));
    DL_CHECK(!value || value->index() == spec.value.index(), fmt::format("{}: attribute '{}' has another type", op.name, spec.name));
    full.set(spec.name, value ? *value : spec.value);
  }
  DL_CHECK(used == given.values().size(), fmt::format("{}: unknown attribute in '{}'", op.name, to_string(given)));
  return full;
}

uint64_t hash_of(const Node& node) {
  uint64_t hash = reinterpret_cast<uintptr_t>(node.op) ^ (hash_of(node.attrs) * 0x9E3779B97F4A7C15u);
  for (Value v : node.inputs) hash = (hash ^ (uint64_t{v.node} << 8 | v.index)) * 0x100000001b3u;
  return hash;
}

}  // namespace

Value Graph::add(const OpDef& op, std::span<const Value> inputs, Attrs attrs) {
  DL_CHECK(static_cast<int>(inputs.size()) >= op.min_inputs && (op.max_inputs < 0 || static_cast<int>(inputs.size()) <= op.max_inputs),
           fmt::format("{} takes {} to {} operands, got {}", op.name, op.min_inputs, op.max_inputs, inputs.size()));
  Node node;
  node.op = &op;
  node.inputs.assign(inputs.begin(), inputs.end());
  node.attrs = complete(op, attrs);
  node.scope = scope_;
  const uint64_t hash = hash_of(node);
  for (auto [it, end] = index_.equal_range(hash); it != end; ++it) {
    const Node& old = nodes_[it->second];
    if (old.op == node.op && old.inputs == node.inputs && old.attrs == node.attrs) return {it->second, 0};
  }
  std::vector<TensorType> types;
  types.reserve(inputs.size());
  for (Value v : inputs) {
    DL_CHECK(v.node < nodes_.size() && v.index < nodes_[v.node].types.size(), fmt::format("{}: operand of another graph", op.name));
    types.push_back(type(v));
  }
  node.types = op.infer({op, types, node.attrs});
  nodes_.push_back(std::move(node));
  index_.emplace(hash, size() - 1);
  return {size() - 1, 0};
}

void Graph::set_scope(const std::string& name) {
  auto [it, inserted] = scope_index_.try_emplace(name, static_cast<uint32_t>(scopes_.size()));
  if (inserted) scopes_.push_back(name);
  scope_ = it->second;
}

ScopeGuard::ScopeGuard(Graph& graph, const std::string& name) : graph_(graph), saved_(graph.current_scope()) {
  graph_.set_scope(saved_.empty() ? name : saved_ + "/" + name);
}

}  // namespace dl
