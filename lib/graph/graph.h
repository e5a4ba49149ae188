// Graph: the program's intermediate form, an arena of immutable nodes addressed by index.
// Adding a node that is already there returns the old one (hash-consing), so common subexpressions vanish by
// construction. Operands always have smaller indices, so index order is a topological order.
// Who uses it: ops builders, autodiff, passes, importers. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/attrs.h"
#include "tensor/dim.h"

namespace dl {

struct OpDef;

struct TensorType {
  DType dtype = DType::kFloat32;
  Shape shape;
  friend bool operator==(const TensorType&, const TensorType&) = default;
};
std::string to_string(const TensorType& type);  // "float32[batch, 10]"

// Output `index` of node `node`.
struct Value {
  uint32_t node = UINT32_MAX;
  uint32_t index = 0;
  bool valid() const { return node != UINT32_MAX; }
  friend bool operator==(Value, Value) = default;
  friend auto operator<=>(Value, Value) = default;
};

struct ValueHash {
  size_t operator()(Value v) const { return (size_t{v.node} << 8) ^ v.index; }
};

struct Node {
  const OpDef* op = nullptr;
  std::vector<Value> inputs;
  Attrs attrs;
  std::vector<TensorType> types;  // of the outputs
  uint32_t scope = 0;             // Graph::scope_name: the layer it came from; not part of its identity
};

class Graph {
 public:
  Graph();

  // Checks operand count and attributes against the operator, fills attribute defaults, infers the output types.
  // Throws UserError (the operator's words: which operand, which shape, what is allowed). Returns output 0.
  Value add(const OpDef& op, std::span<const Value> inputs, Attrs attrs = {});
  Value add(const OpDef& op, std::initializer_list<Value> inputs, Attrs attrs = {}) {
    return add(op, std::span<const Value>(inputs.begin(), inputs.size()), std::move(attrs));
  }

  uint32_t size() const { return static_cast<uint32_t>(nodes_.size()); }
  const Node& node(uint32_t index) const { return nodes_[index]; }
  const Node& node(Value value) const { return nodes_[value.node]; }
  const TensorType& type(Value value) const { return nodes_[value.node].types[value.index]; }

  // New nodes belong to this scope ("encoder/dense_1") until changed. "" is the root.
  void set_scope(const std::string& name);
  const std::string& current_scope() const { return scopes_[scope_]; }
  const std::string& scope_name(uint32_t scope) const { return scopes_[scope]; }

 private:
  std::deque<Node> nodes_;
  std::unordered_multimap<uint64_t, uint32_t> index_;
  std::vector<std::string> scopes_;
  std::unordered_map<std::string, uint32_t> scope_index_;
  uint32_t scope_ = 0;
};

// Sets a scope for its lifetime, nested below the current one.
class ScopeGuard {
 public:
  ScopeGuard(Graph& graph, const std::string& name);
  ~ScopeGuard() { graph_.set_scope(saved_); }
  ScopeGuard(const ScopeGuard&) = delete;
  ScopeGuard& operator=(const ScopeGuard&) = delete;

 private:
  Graph& graph_;
  std::string saved_;
};

}  // namespace dl
