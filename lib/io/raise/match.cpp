#include "io/raise/match.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <optional>

#include "graph/op_def.h"
#include "io/constants.h"
#include "io/raise/terms.h"
#include "ops/ops.h"

namespace dl::raise {
namespace {

constexpr double kSame = 1e-6;  // of numbers that went through float32 in a file

bool close(double a, double b) { return a == b || std::abs(a - b) <= kSame * std::max(std::abs(a), std::abs(b)); }

bool same_attr(const AttrValue& a, const AttrValue& b) {
  if (const auto* x = std::get_if<double>(&a))
    if (const auto* y = std::get_if<double>(&b)) return close(*x, *y);
  return a.index() == b.index() && to_string(a) == to_string(b);
}

bool same_attrs(const Attrs& a, const Attrs& b) {
  if (a.values().size() != b.values().size()) return false;
  for (size_t i = 0; i < a.values().size(); ++i)
    if (a.values()[i].first != b.values()[i].first || !same_attr(a.values()[i].second, b.values()[i].second)) return false;
  return true;
}

bool commutes(const OpDef* op) { return op == &op_add || op == &op_mul || op == &op_maximum || op == &op_minimum || op == &op_equal; }

Ints without_ones(const Ints& dims) {
  Ints kept;
  for (const int64_t d : dims)
    if (d != 1) kept.push_back(d);
  return kept;
}

// The elements from `start` on, `sizes` of them.
Tensor block(const Tensor& t, const Ints& start, const Ints& sizes) {
  const size_t rank = sizes.size();
  Ints strides(rank, 1), at(rank, 0);
  for (size_t i = rank; i-- > 1;) strides[i - 1] = strides[i] * t.dims()[i];
  Tensor result(t.dtype(), sizes);
  const size_t width = size_of(t.dtype());
  const auto* from = static_cast<const std::byte*>(t.raw());
  auto* to = static_cast<std::byte*>(result.raw());
  for (int64_t n = 0; n < result.size(); ++n) {
    int64_t offset = 0;
    for (size_t i = 0; i < rank; ++i) offset += (start[i] + at[i]) * strides[i];
    std::memcpy(to + static_cast<size_t>(n) * width, from + static_cast<size_t>(offset) * width, width);
    for (size_t i = rank; i-- > 0;) {
      if (++at[i] < sizes[i]) break;
      at[i] = 0;
    }
  }
  return result;
}

Tensor filled(const Tensor& number, const Ints& dims) {
  Tensor t(number.dtype(), dims);
  for (int64_t i = 0; i < t.size(); ++i) t.set(i, number.at(0));
  return t;
}

// Goals (a value of the pattern, a value of the graph) are proved one after the other; where the operands of an operator may be swapped,
// the other order is tried when what follows fails. What was found on the way is taken back then.
class Matcher {
 public:
  Matcher(const Program& pattern, const Program& graph, const std::map<std::string, Tensor>& weights, const std::vector<Value>& operands)
      : pattern_(pattern), graph_(graph), weights_(weights), operands_(operands), depends_(pattern.graph.size()) {
    for (size_t i = 0; i < pattern.inputs.size(); ++i) input_[pattern.inputs[i].value] = i;
    for (uint32_t n = 0; n < pattern.graph.size(); ++n) {
      const Node& node = pattern.graph.node(n);
      bool on_input = node.op == &op_input;
      for (Value in : node.inputs) on_input = on_input || depends_[in.node];
      depends_[n] = on_input;
    }
  }

  bool prove(Value p, Value t) { return prove(add_goal({p, t, nullptr})); }
  Match take() {
    match_.nodes = {nodes_.begin(), nodes_.end()};
    return std::move(match_);
  }

 private:
  struct Goal {
    Value p, t;
    const Goal* next;
  };
  const Goal* add_goal(Goal goal) { return &goals_.emplace_back(goal); }

  // How much was found.
  struct Mark {
    size_t seen, nodes, weights;
  };
  Mark mark() const { return {seen_order_.size(), nodes_.size(), weight_order_.size()}; }
  void take_back(const Mark& to) {
    for (; seen_order_.size() > to.seen; seen_order_.pop_back()) seen_.erase(seen_order_.back());
    for (; weight_order_.size() > to.weights; weight_order_.pop_back()) {
      match_.weights.erase(weight_order_.back());
      match_.origin.erase(weight_order_.back());
    }
    nodes_.resize(to.nodes);
  }

  bool prove(const Goal* goal) {
    for (; goal;) {
      const auto [p, t, next] = *goal;
      goal = next;
      if (const auto known = seen_.find(p); known != seen_.end()) {
        if (known->second != t) return false;
        continue;
      }
      if (const auto in = input_.find(p); in != input_.end()) {
        if (operands_.at(in->second) != t) return false;
        continue;
      }
      if (!depends_[p.node]) {
        if (!weight(p, t)) return false;
        see(p, t);
        continue;
      }
      const Node &pattern = pattern_.graph.node(p), &target = graph_.graph.node(t);
      const size_t count = pattern.inputs.size();
      if (pattern.op != target.op || p.index != t.index || count != target.inputs.size()) return false;
      if (!same_attrs(pattern.attrs, target.attrs) || ++steps_ > kMaxSteps) return false;
      see(p, t);
      nodes_.push_back(t.node);
      if (count == 2 && commutes(pattern.op) && target.inputs[0] != target.inputs[1]) {
        const Mark before = mark();
        if (prove(with_operands(pattern, target, false, goal))) return true;
        take_back(before);
        goal = with_operands(pattern, target, true, goal);
      } else {
        goal = with_operands(pattern, target, false, goal);
      }
    }
    return true;
  }

  const Goal* with_operands(const Node& pattern, const Node& target, bool swapped, const Goal* next) {
    const size_t n = pattern.inputs.size();
    for (size_t i = n; i-- > 0;) next = add_goal({pattern.inputs[i], target.inputs[swapped ? n - 1 - i : i], next});
    return next;
  }

  void see(Value p, Value t) {
    seen_.emplace(p, t);
    seen_order_.push_back(p);
  }

  // A value of the pattern that depends on its weights and numbers alone.
  bool weight(Value p, Value t) {
    const Node& target = graph_.graph.node(t);
    const bool number = target.op == &op_constant;
    if (!number && target.op != &op_parameter) return same_expression(p, t);
    const std::string name = number ? "" : target.attrs.text("name");
    const Tensor& value = number ? target.attrs.tensor("value") : weights_.at(name);
    const Node& pattern = pattern_.graph.node(p);
    if (pattern.op == &op_constant) return same_numbers(pattern.attrs.tensor("value"), value);
    return solve(p, value, name);
  }

  // Numbers spread over a size that is not known yet stay an expression on both sides.
  bool same_expression(Value p, Value t) {
    const Node &pattern = pattern_.graph.node(p), &target = graph_.graph.node(t);
    if (pattern.op != target.op || !same_attrs(pattern.attrs, target.attrs) || pattern.inputs.size() != target.inputs.size()) return false;
    nodes_.push_back(t.node);
    for (size_t i = 0; i < pattern.inputs.size(); ++i)
      if (!weight(pattern.inputs[i], target.inputs[i])) return false;
    return true;
  }

  static bool same_numbers(const Tensor& a, const Tensor& b) {
    if (a.size() != b.size() && a.size() != 1 && b.size() != 1) return false;
    for (int64_t i = 0; i < std::max(a.size(), b.size()); ++i)
      if (!close(a.at(a.size() == 1 ? 0 : i), b.at(b.size() == 1 ? 0 : i))) return false;
    return true;
  }

  // The weight that makes the expression `p` equal `value`.
  bool solve(Value p, const Tensor& value, const std::string& name) {
    const Node& node = pattern_.graph.node(p);
    const TensorType& type = pattern_.graph.type(p);
    if (!all_known(type.shape)) return false;
    const Ints dims = known_dims(type.shape);
    Tensor fitted = value;
    if (fitted.size() == 1 && element_count(dims) != 1) fitted = filled(value, dims);
    if (without_ones(fitted.dims()) != without_ones(dims)) return false;
    fitted = fitted.reshaped(dims);
    if (node.op == &op_parameter) {
      const std::string& key = node.attrs.text("name");
      const auto [known, added] = match_.weights.emplace(key, fitted);
      if (!added) return bit_equal(known->second, fitted);
      match_.origin[key] = name;
      weight_order_.push_back(key);
      return true;
    }
    if (node.op == &op_constant) return same_numbers(node.attrs.tensor("value"), fitted);
    if (node.op == &op_concat) return solve_concat(node, fitted, name);
    if (node.inputs.size() != 1) return false;
    if (node.op == &op_broadcast_to) {
      const Node& source = pattern_.graph.node(node.inputs[0]);
      return source.op == &op_constant && same_numbers(source.attrs.tensor("value"), fitted);
    }
    if (node.op == &op_pad) return solve_pad(node, fitted, name);
    const Shape& inner = pattern_.graph.type(node.inputs[0]).shape;
    if (node.op == &op_reshape) return all_known(inner) && solve(node.inputs[0], fitted.reshaped(known_dims(inner)), name);
    if (node.op == &op_transpose) {
      const Ints& perm = node.attrs.integers("perm");
      Ints back(perm.size());
      for (size_t i = 0; i < perm.size(); ++i) back[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
      return solve(node.inputs[0], transposed(fitted, back), name);
    }
    return false;
  }

  bool solve_concat(const Node& node, const Tensor& value, const std::string& name) {
    const auto axis = static_cast<size_t>(node.attrs.integer("axis"));
    Ints start(value.dims().size(), 0);
    for (const Value in : node.inputs) {
      const Shape& shape = pattern_.graph.type(in).shape;
      if (!all_known(shape)) return false;
      const Ints sizes = known_dims(shape);
      if (!solve(in, block(value, start, sizes), name)) return false;
      start[axis] += sizes[axis];
    }
    return true;
  }

  bool solve_pad(const Node& node, const Tensor& value, const std::string& name) {
    const Shape &before = node.attrs.shape("before"), &inner = pattern_.graph.type(node.inputs[0]).shape;
    if (!all_known(before) || !all_known(inner)) return false;
    for (const int64_t gap : node.attrs.integers("interior"))
      if (gap != 0) return false;
    const Ints start = known_dims(before), sizes = known_dims(inner);
    // Everything around the block must be the number that the pattern puts there.
    Ints at(value.dims().size(), 0);
    for (int64_t n = 0; n < value.size(); ++n) {
      bool inside = true;
      for (size_t i = 0; i < at.size(); ++i) inside = inside && at[i] >= start[i] && at[i] < start[i] + sizes[i];
      if (!inside && !close(value.at(n), node.attrs.real("value"))) return false;
      for (size_t i = at.size(); i-- > 0;) {
        if (++at[i] < value.dims()[i]) break;
        at[i] = 0;
      }
    }
    return solve(node.inputs[0], block(value, start, sizes), name);
  }

  const Program &pattern_, &graph_;
  const std::map<std::string, Tensor>& weights_;
  const std::vector<Value>& operands_;
  std::map<Value, size_t> input_;
  std::vector<char> depends_;

  static constexpr size_t kMaxSteps = 200'000;  // what a wrong order of operands may cost
  size_t steps_ = 0;
  std::deque<Goal> goals_;
  std::map<Value, Value> seen_;  // pattern -> graph
  std::vector<Value> seen_order_;
  std::vector<uint32_t> nodes_;
  Match match_;
  std::vector<std::string> weight_order_;
};

}  // namespace

bool match(const Program& pattern, const Program& graph, const std::map<std::string, Tensor>& weights, Value root,
           const std::vector<Value>& operands, const std::vector<std::vector<uint32_t>>& users, Match& found) {
  if (operands.size() != pattern.inputs.size()) return false;
  if (pattern.graph.node(pattern.outputs.at(0).value).op != graph.graph.node(root).op) return false;
  Matcher matcher(pattern, graph, weights, operands);
  if (!matcher.prove(pattern.outputs.at(0).value, root)) return false;
  Match match = matcher.take();
  for (const uint32_t n : match.nodes) {
    if (n == root.node) continue;
    const Node& node = graph.graph.node(n);
    bool on_inputs = false;  // numbers and what is made of them may serve several
    for (Value in : node.inputs) on_inputs = on_inputs || graph.graph.node(in).op != &op_constant;
    if (!on_inputs) continue;
    for (const uint32_t user : users[n])
      if (!match.nodes.contains(user)) return false;
  }
  for (const Parameter& p : pattern.parameters)
    if (!match.weights.contains(p.name)) return false;
  found = std::move(match);
  return true;
}

}  // namespace dl::raise
