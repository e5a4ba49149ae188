#include "graph/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "graph/op_def.h"

namespace dl {
namespace {

std::string to_string(Value v) { return v.index ? fmt::format("%{}.{}", v.node, v.index) : fmt::format("%{}", v.node); }

std::string operands_of(const Node& node) {
  std::string text;
  for (Value v : node.inputs) text += (text.empty() ? "" : ", ") + to_string(v);
  return text;
}

void check_names(const Program& program) {
  std::set<std::string> seen;
  for (const auto& p : program.parameters) DL_CHECK(seen.insert(p.name).second, "parameter name '" + p.name + "' is used twice");
  seen.clear();
  for (const auto& i : program.inputs) DL_CHECK(seen.insert(i.name).second, "input name '" + i.name + "' is used twice");
  seen.clear();
  for (const auto& o : program.outputs) DL_CHECK(seen.insert(o.name).second, "output name '" + o.name + "' is used twice");
}

}  // namespace

void verify(const Program& program) {
  const Graph& graph = program.graph;
  for (uint32_t i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    std::vector<TensorType> types;
    for (Value v : node.inputs) {
      DL_CHECK(v.node < i && v.index < graph.node(v.node).types.size(),
               fmt::format("%{} {}: operand {} is not before it", i, node.op->name, to_string(v)));
      types.push_back(graph.type(v));
    }
    DL_CHECK(node.op->infer({*node.op, types, node.attrs}) == node.types,
             fmt::format("%{} {}: types differ from what it infers", i, node.op->name));
  }
  check_names(program);
  auto exists = [&](Value v) { return v.node < graph.size() && v.index < graph.node(v.node).types.size(); };
  for (const auto& o : program.outputs) DL_CHECK(exists(o.value), "output '" + o.name + "' does not exist");
  for (const Update& u : program.updates) {
    DL_CHECK(u.parameter < program.parameters.size() && exists(u.new_value), "update of nothing");
    const Parameter& p = program.parameters[u.parameter];
    DL_CHECK(graph.type(p.value) == graph.type(u.new_value),
             fmt::format("update of '{}' changes its type from {} to {}", p.name, to_string(graph.type(p.value)),
                         to_string(graph.type(u.new_value))));
  }
}

std::vector<char> live_nodes(const Program& program) {
  std::vector<char> live(program.graph.size(), 0);
  for (const auto& o : program.outputs) live[o.value.node] = 1;
  for (const Update& u : program.updates) live[u.new_value.node] = 1;
  for (uint32_t i = program.graph.size(); i-- > 0;)
    if (live[i])
      for (Value v : program.graph.node(i).inputs) live[v.node] = 1;
  return live;
}

bool same_program(const Program& a, const Program& b) {
  const auto same_named = [](const NamedValue& x, const NamedValue& y) { return x.name == y.name && x.value == y.value; };
  if (a.graph.size() != b.graph.size() || !a.parameters.empty() || !b.parameters.empty()) return false;
  for (uint32_t i = 0; i < a.graph.size(); ++i) {
    const Node &x = a.graph.node(i), &y = b.graph.node(i);
    if (x.op != y.op || x.inputs != y.inputs || !(x.attrs == y.attrs)) return false;
  }
  return std::equal(a.inputs.begin(), a.inputs.end(), b.inputs.begin(), b.inputs.end(), same_named) &&
         std::equal(a.outputs.begin(), a.outputs.end(), b.outputs.begin(), b.outputs.end(), same_named);
}

std::vector<Value> inline_program(Graph& graph, const Program& program, std::span<const Value> inputs) {
  DL_CHECK(program.inputs.size() == inputs.size() && program.parameters.empty() && program.updates.empty(),
           "only a program of inputs and outputs can stand inside of another graph");
  std::vector<Value> moved(program.graph.size());  // output 0 of each node
  std::map<Value, Value> given;
  for (size_t i = 0; i < inputs.size(); ++i) given[program.inputs[i].value] = inputs[i];
  const auto new_value = [&](Value v) {
    const auto it = given.find(v);
    return it != given.end() ? it->second : Value{moved[v.node].node, v.index};
  };
  const std::vector<char> live = live_nodes(program);
  for (uint32_t i = 0; i < program.graph.size(); ++i) {
    if (!live[i] || given.contains({i, 0})) continue;
    const Node& node = program.graph.node(i);
    std::vector<Value> operands;
    for (Value v : node.inputs) operands.push_back(new_value(v));
    moved[i] = graph.add(*node.op, operands, node.attrs);
  }
  std::vector<Value> outputs;
  for (const NamedValue& o : program.outputs) outputs.push_back(new_value(o.value));
  return outputs;
}

std::string to_text(const Program& program) {
  const Graph& graph = program.graph;
  const std::vector<char> live = live_nodes(program);
  std::string text;
  for (uint32_t i = 0; i < graph.size(); ++i) {
    if (!live[i]) continue;
    const Node& node = graph.node(i);
    std::string types;
    for (const TensorType& t : node.types) types += (types.empty() ? "" : ", ") + to_string(t);
    const std::string attrs = to_string(node.attrs);
    text += fmt::format("%{} = {}({}){}{} : {}", i, node.op->name, operands_of(node), attrs.empty() ? "" : " ", attrs, types);
    if (const std::string& scope = graph.scope_name(node.scope); !scope.empty()) text += "  # " + scope;
    text += '\n';
  }
  for (const auto& o : program.outputs) text += fmt::format("output {} = {}\n", o.name, to_string(o.value));
  for (const Update& u : program.updates)
    text += fmt::format("update {} = {}\n", program.parameters[u.parameter].name, to_string(u.new_value));
  return text;
}

std::string to_dot(const Program& program) {
  const Graph& graph = program.graph;
  const std::vector<char> live = live_nodes(program);
  std::string text = "digraph program {\n  rankdir=TB; node [shape=box, fontname=\"sans-serif\"];\n";
  for (uint32_t i = 0; i < graph.size(); ++i) {
    if (!live[i]) continue;
    const Node& node = graph.node(i);
    text += fmt::format("  n{} [label=\"{}\\n{}\"];\n", i, node.op->name, to_string(node.types[0]));
    for (Value v : node.inputs) text += fmt::format("  n{} -> n{};\n", v.node, i);
  }
  for (size_t k = 0; k < program.outputs.size(); ++k)
    text +=
        fmt::format("  o{} [label=\"{}\", shape=ellipse];\n  n{} -> o{};\n", k, program.outputs[k].name, program.outputs[k].value.node, k);
  return text + "}\n";
}

}  // namespace dl
