// Activation functions: every one by name, and the layers with a number or a weight of their own.
#include <map>
#include <set>
#include <string_view>

#include "io/raise/normal_form.h"
#include "io/raise/rules.h"
#include "layers/activations.h"
#include "ops/builders.h"
#include "ops/ops.h"

namespace dl::raise {
namespace {

using SpecNode = spec::Node;

// Values that an elementwise expression of a few operators at `v` may be a function of, the nearest last.
void arguments(const Site& site, Value v, int depth, std::set<Value>& seen, std::vector<Value>& found) {
  if (site.is_weight(v) || !seen.insert(v).second) return;
  found.push_back(v);
  if (depth == 0) return;
  const Node& node = site.node(v);
  if (node.op->kind != OpKind::kElementwise && node.op != &op_select && node.op != &op_softmax && node.op != &op_log_softmax &&
      node.op != &op_gelu)
    return;
  for (Value in : node.inputs) arguments(site, in, depth - 1, seen, found);
}

std::vector<Value> arguments(const Site& site) {
  constexpr int kDepth = 9;
  std::set<Value> seen;
  std::vector<Value> found;
  arguments(site, site.root(), kDepth, seen, found);
  std::erase_if(found,
                [&](Value v) { return v == site.root() || site.shape(v) != site.shape(site.root()) || site.dtype(v) == DType::kBool; });
  return found;
}

std::set<double> numbers(const Site& site, Value v, int depth) {
  std::set<double> result;
  for (Value in : site.node(v).inputs) {
    if (const auto n = site.number(in)) result.insert(*n);
    if (depth > 0) result.merge(numbers(site, in, depth - 1));
  }
  return result;
}

bool is_element(const Site& site) {
  const Node& node = site.node(site.root());
  return node.op->kind == OpKind::kElementwise || node.op == &op_select || node.op == &op_softmax || node.op == &op_log_softmax ||
         node.op == &op_gelu;
}

// The operator that gives an activation's result, in normal form: what is worth comparing with a value.
const OpDef* last_operator(std::string_view activation) {
  static const std::map<std::string_view, const OpDef*> kLast = [] {
    std::map<std::string_view, const OpDef*> last;
    for (const std::string_view name : activation_names()) {
      Program program;
      const Var x = input(program.graph, "x", {DType::kFloat32, {Dim::symbol("batch"), Dim(4)}});
      program.inputs.push_back({"x", x.value});
      program.outputs.push_back({"y", apply_activation(name, x).value});
      const Program normal = normal_form(fold_weights(normal_form(program), {}).program);
      last[name] = normal.graph.node(normal.outputs[0].value).op;
    }
    return last;
  }();
  return kLast.at(activation);
}

}  // namespace

void rule_activation(const Site& site, std::vector<Proposal>& proposals) {
  if (!is_element(site)) return;
  for (const Value x : arguments(site))
    for (const std::string_view name : activation_names())
      if (name != "linear" && last_operator(name) == site.op(site.root()))
        proposals.push_back({"Activation", map_of({{"activation", SpecNode::string(std::string(name))}}), {x}});
}

void rule_parametric_activation(const Site& site, std::vector<Proposal>& proposals) {
  if (!is_element(site)) return;
  const Value root = site.root();
  if (site.op(root) == &op_softmax)
    proposals.push_back({"Softmax", map_of({{"axis", SpecNode::integer(site.node(root).attrs.integer("axis"))}}), {site.operand(root, 0)}});
  if (site.op(root) == &op_minimum)
    if (const auto x = site.beside_weight(root); x && site.op(*x) == &op_relu)
      for (const double n : numbers(site, root, 0))
        proposals.push_back({"ReLU", map_of({{"max_value", SpecNode::real(n)}}), {site.operand(*x, 0)}});
  for (const Value x : arguments(site)) {
    if (site.op(root) == &op_select || site.op(root) == &op_add)
      for (const double n : numbers(site, root, 3)) {
        if (n > 0) proposals.push_back({"LeakyReLU", map_of({{"negative_slope", SpecNode::real(n)}}), {x}});
        proposals.push_back({"ELU", map_of({{"alpha", SpecNode::real(n)}}), {x}});
      }
    if (site.op(root) == &op_add || site.op(root) == &op_sub || site.op(root) == &op_select) {
      const size_t rank = site.shape(x).size();
      std::vector<int64_t> shared;
      proposals.push_back({"PReLU", map_of({}), {x}});
      for (size_t axis = 1; axis + 1 < rank; ++axis) shared.push_back(static_cast<int64_t>(axis));
      if (!shared.empty()) proposals.push_back({"PReLU", map_of({{"shared_axes", list_of(shared)}}), {x}});
    }
  }
}

void rule_rescaling(const Site& site, std::vector<Proposal>& proposals) {
  const Value root = site.root();
  const auto number_of = [&](Value v) {
    for (Value in : site.node(v).inputs)
      if (const auto n = site.number(in)) return n;
    return std::optional<double>();
  };
  const auto x = site.beside_weight(root);
  if (!x || !number_of(root)) return;
  if (site.op(root) == &op_mul) proposals.push_back({"Rescaling", map_of({{"scale", SpecNode::real(*number_of(root))}}), {*x}});
  if (site.op(root) != &op_add) return;
  if (const auto inner = site.op(*x) == &op_mul ? site.beside_weight(*x) : std::nullopt; inner && number_of(*x))
    proposals.push_back(
        {"Rescaling", map_of({{"scale", SpecNode::real(*number_of(*x))}, {"offset", SpecNode::real(*number_of(root))}}), {*inner}});
  proposals.push_back({"Rescaling", map_of({{"scale", SpecNode::real(1)}, {"offset", SpecNode::real(*number_of(root))}}), {*x}});
}

}  // namespace dl::raise
