#include "autodiff/gradient.h"

#include <algorithm>
#include <unordered_map>

#include "autodiff/scan_gradient.h"
#include "ops/builders.h"
#include "ops/ops.h"

namespace dl {
namespace {

// Which nodes depend on some value of `wrt`, up to y.
std::vector<char> find_dependents(const Graph& graph, std::span<const Var> wrt, uint32_t last) {
  std::vector<char> depends(last + 1, 0);
  for (const Var& x : wrt)
    if (x.value.node <= last) depends[x.value.node] = 1;
  for (uint32_t i = 0; i <= last; ++i)
    for (Value v : graph.node(i).inputs) depends[i] = depends[i] || depends[v.node];
  return depends;
}

// With `partial`, the values of `wrt` are taken as independent: what one of them owes to another is not followed.
std::vector<Var> accumulate(Var y, std::span<const Var> wrt, Var dy, bool partial);

// The gradient of a composed operator is that of its lowering. Operands may depend on each other (an activation and its mean); each
// gets its own part, and the caller goes on from there.
std::vector<Var> differentiate_lowering(const GradCall& call, const Node& node) {
  const std::vector<Var> lowered = node.op->lower({call.graph, node.attrs, call.inputs, node.types});
  std::vector<Var> total(call.inputs.size());
  for (size_t i = 0; i < call.douts.size(); ++i) {
    if (!call.douts[i].valid()) continue;
    const std::vector<Var> part = accumulate(lowered[i], call.inputs, call.douts[i], true);
    for (size_t k = 0; k < part.size(); ++k) total[k] = total[k].valid() ? total[k] + part[k] : part[k];
  }
  return total;
}

std::vector<Var> differentiate(const GradCall& call, const Node& node) {
  if (node.op->grad) return node.op->grad(call);
  if (node.op == &op_scan) return differentiate_scan(call);
  if (node.op->lower) return differentiate_lowering(call, node);
  DL_CHECK(node.op->no_gradient, std::string(node.op->name) + " has neither a gradient nor a reason for having none");
  return std::vector<Var>(call.inputs.size());
}

std::vector<Var> accumulate(Var y, std::span<const Var> wrt, Var dy, bool partial) {
  Graph& graph = *y.graph;
  const std::vector<char> depends = find_dependents(graph, wrt, y.value.node);
  std::unordered_map<Value, Var, ValueHash> adjoint;
  adjoint[y.value] = dy.valid() ? dy : ones_like(y);
  const std::string scope = graph.current_scope();
  for (uint32_t i = y.value.node + 1; i-- > 0;) {
    if (!depends[i]) continue;
    const Node node = graph.node(i);  // a copy: the arena grows below
    GradCall call{graph, node.attrs, {}, {}, {}};
    bool reached = false;
    for (uint32_t k = 0; k < node.types.size(); ++k) {
      const bool stop = partial && std::any_of(wrt.begin(), wrt.end(), [&](const Var& x) { return x.value == Value{i, k}; });
      const auto it = stop ? adjoint.end() : adjoint.find({i, k});
      call.outputs.push_back({&graph, {i, k}});
      call.douts.push_back(it == adjoint.end() ? Var{} : it->second);
      reached = reached || it != adjoint.end();
    }
    bool needed = false;
    for (Value v : node.inputs) {
      call.inputs.push_back({&graph, v});
      needed = needed || depends[v.node];
    }
    if (!reached || !needed) continue;
    graph.set_scope(graph.scope_name(node.scope));
    const std::vector<Var> gradients = differentiate(call, node);
    DL_CHECK(gradients.size() == node.inputs.size(), std::string(node.op->name) + ": one gradient per operand expected");
    for (size_t k = 0; k < gradients.size(); ++k) {
      if (!gradients[k].valid() || !depends[node.inputs[k].node]) continue;
      DL_CHECK(gradients[k].shape() == call.inputs[k].shape(), std::string(node.op->name) + ": gradient of operand " + std::to_string(k) +
                                                                   " is " + to_string(gradients[k].shape()) + ", not " +
                                                                   to_string(call.inputs[k].shape()));
      Var& sum = adjoint[node.inputs[k]];
      sum = sum.valid() ? sum + gradients[k] : gradients[k];
    }
  }
  graph.set_scope(scope);
  std::vector<Var> result;
  for (const Var& x : wrt) {
    const auto it = adjoint.find(x.value);
    result.push_back(it == adjoint.end() ? zeros_like(x) : it->second);
  }
  return result;
}

}  // namespace

std::vector<Var> gradient(Var y, std::span<const Var> wrt, Var dy) { return accumulate(y, wrt, dy, false); }

}  // namespace dl
