#include "passes/rewrite.h"

#include "graph/op_def.h"

namespace dl {

std::vector<Var> copy_node(Graph& graph, const Node& node, const std::vector<Var>& inputs) {
  std::vector<Value> values;
  values.reserve(inputs.size());
  for (const Var& v : inputs) values.push_back(v.value);
  const Value first = graph.add(*node.op, values, node.attrs);
  std::vector<Var> outputs;
  for (uint32_t k = 0; k < node.types.size(); ++k) outputs.push_back({&graph, {first.node, k}});
  return outputs;
}

Program rewrite(const Program& program, const RewriteRule& rule) {
  Program result;
  const std::vector<char> live = live_nodes(program);
  std::vector<std::vector<Var>> moved(program.graph.size());
  const auto new_value = [&](Value v) { return moved[v.node].at(v.index); };
  const auto move_node = [&](uint32_t i) {
    const Node& node = program.graph.node(i);
    RewriteCall call{result.graph, node, {i, 0}, {}};
    for (Value v : node.inputs) call.inputs.push_back(new_value(v));
    result.graph.set_scope(program.graph.scope_name(node.scope));
    moved[i] = rule(call);
    if (moved[i].empty()) moved[i] = copy_node(result.graph, node, call.inputs);
    DL_CHECK(moved[i].size() == node.types.size(), std::string(node.op->name) + ": a rewrite must give every output");
  };
  // Inputs and parameters stay part of the interface even where nothing reads them.
  std::vector<char> keep = live;
  for (const auto& i : program.inputs) keep[i.value.node] = 1;
  for (const auto& p : program.parameters) keep[p.value.node] = 1;
  for (uint32_t i = 0; i < program.graph.size(); ++i)
    if (keep[i]) move_node(i);
  for (const auto& i : program.inputs) result.inputs.push_back({i.name, new_value(i.value).value});
  for (const auto& o : program.outputs) result.outputs.push_back({o.name, new_value(o.value).value});
  for (const auto& p : program.parameters) {
    result.parameters.push_back(p);
    result.parameters.back().value = new_value(p.value).value;
  }
  for (const auto& u : program.updates) result.updates.push_back({u.parameter, new_value(u.new_value).value});
  return result;
}

}  // namespace dl
