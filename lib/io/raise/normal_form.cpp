#include "io/raise/normal_form.h"

#include <optional>
#include <set>
#include <span>

#include "graph/op_def.h"
#include "io/constants.h"
#include "io/raise/spelling.h"
#include "ops/builders.h"
#include "ops/ops.h"
#include "passes/passes.h"

namespace dl::raise {

Program normal_form(const Program& program) {
  constexpr int kMaxRounds = 32;  // a rule that is not done by then turns in a circle
  bool changed = true;
  const RewriteRule rule = [&](const RewriteCall& call) -> std::vector<Var> {
    const std::optional<Var> replacement = respell(call);
    if (!replacement) return {};
    changed = true;
    return {*replacement};
  };
  Program now = simplify(program);
  for (int round = 0; changed && round < kMaxRounds; ++round) {
    changed = false;
    now = simplify(rewrite(now, rule));
  }
  return now;
}

// ---- folding

namespace {

struct Frontier {
  std::vector<char> known;    // by node: depends on weights alone
  std::vector<Value> values;  // known, not weights themselves, read by something that is not known
};

Frontier find_frontier(const Program& program, const std::map<std::string, Tensor>& weights) {
  const Graph& graph = program.graph;
  Frontier frontier{std::vector<char>(graph.size()), {}};
  const std::vector<char> live = live_nodes(program);
  std::set<Value> seen;
  const auto read = [&](Value v) {
    if (frontier.known[v.node] && graph.node(v).op != &op_parameter && seen.insert(v).second) frontier.values.push_back(v);
  };
  for (uint32_t n = 0; n < graph.size(); ++n) {
    const Node& node = graph.node(n);
    if (!live[n] || node.op == &op_constant) continue;  // numbers stay what they are
    bool known = node.op != &op_input && node.op->kind != OpKind::kRandom;
    if (node.op == &op_parameter) known = weights.contains(node.attrs.text("name"));
    for (Value in : node.inputs) known = known && (frontier.known[in.node] || graph.node(in).op == &op_constant);
    for (const TensorType& type : node.types) known = known && all_known(type.shape);
    for (const auto& [name, attr] : node.attrs.values())
      if (const auto* shape = std::get_if<Shape>(&attr)) known = known && all_known(*shape);
    frontier.known[n] = known;
    if (!known)
      for (Value in : node.inputs) read(in);
  }
  for (const NamedValue& o : program.outputs) read(o.value);
  return frontier;
}

// The weights that a value depends on.
std::set<std::string> origins(const Program& program, Value value) {
  std::set<std::string> weights;
  std::set<uint32_t> seen;
  std::vector<uint32_t> open = {value.node};
  while (!open.empty()) {
    const uint32_t n = open.back();
    open.pop_back();
    if (!seen.insert(n).second) continue;
    if (program.graph.node(n).op == &op_parameter) weights.insert(program.graph.node(n).attrs.text("name"));
    for (Value in : program.graph.node(n).inputs) open.push_back(in.node);
  }
  return weights;
}

// The weights that are read by something that is not known, so that they stay.
std::set<std::string> needed_weights(const Program& program, const std::vector<char>& known) {
  const Graph& graph = program.graph;
  std::set<std::string> needed;
  const auto read = [&](Value v) {
    if (graph.node(v).op == &op_parameter) needed.insert(graph.node(v).attrs.text("name"));
  };
  const std::vector<char> live = live_nodes(program);
  for (uint32_t n = 0; n < graph.size(); ++n)
    if (live[n] && !known[n])
      for (Value in : graph.node(n).inputs) read(in);
  for (const NamedValue& o : program.outputs) read(o.value);
  return needed;
}

// One value after the other, letting go of weights that nothing after it needs, so that a model is not in memory twice.
class Evaluator {
 public:
  Evaluator(const Program& program, const Frontier& frontier, std::map<std::string, Tensor>& weights)
      : weights_(weights), constants_(program, weights), needed_(needed_weights(program, frontier.known)) {
    for (Value value : frontier.values) {
      from_.push_back(origins(program, value));
      for (const std::string& name : from_.back()) ++uses_[name];
    }
  }

  const std::set<std::string>& origins_of(size_t i) const { return from_[i]; }
  bool is_needed(const std::string& name) const { return needed_.contains(name); }
  // To be called once for each of the frontier's values.
  Tensor evaluate(size_t i, Value value) {
    Tensor result = constants_.evaluate(value);
    for (const std::string& name : from_[i])
      if (--uses_[name] == 0 && !is_needed(name)) weights_.at(name) = {};
    return result;
  }

 private:
  std::map<std::string, Tensor>& weights_;
  Constants constants_;
  std::set<std::string> needed_;
  std::vector<std::set<std::string>> from_;  // of each of the frontier's values
  std::map<std::string, int> uses_;
};

}  // namespace

Folded fold_weights(const Program& program, std::map<std::string, Tensor> weights) {
  const Frontier frontier = find_frontier(program, weights);
  Evaluator evaluator(program, frontier, weights);
  std::set<std::string> taken;  // names, also of weights that are gone
  Folded folded;
  Graph& graph = folded.program.graph;
  std::map<Value, Value> moved;
  const auto place = [&](Value old, const std::string& wanted, const Tensor& value) {
    if (value.size() == 1) {
      moved[old] = constant(graph, value).value;
      return;
    }
    std::string name = wanted.empty() ? "weight" : wanted;
    for (int i = 1; !taken.insert(name).second; ++i) name = (wanted.empty() ? "weight" : wanted) + "_" + std::to_string(i);
    moved[old] = parameter(graph, name, {value.dtype(), to_shape(value.dims())}).value;
    folded.program.parameters.push_back({name, moved[old], true, {}});
    folded.weights[name] = value;
  };
  for (const NamedValue& in : program.inputs) {
    const Node& node = program.graph.node(in.value);
    moved[in.value] = graph.add(*node.op, std::span<const Value>{}, node.attrs);
    folded.program.inputs.push_back({in.name, moved[in.value]});
  }
  for (const Parameter& p : program.parameters) {
    if (const auto found = weights.find(p.name); found != weights.end()) {
      if (evaluator.is_needed(p.name))
        place(p.value, p.name, found->second);
      else
        taken.insert(p.name);
      continue;
    }
    moved[p.value] = parameter(graph, p.name, program.graph.type(p.value)).value;
    folded.program.parameters.push_back({p.name, moved[p.value], p.trainable, p.initializer});
  }
  for (size_t i = 0; i < frontier.values.size(); ++i) {
    const Value value = frontier.values[i];
    const std::set<std::string>& from = evaluator.origins_of(i);
    const Tensor tensor = evaluator.evaluate(i, value);
    if (from.empty())
      moved[value] = constant(graph, tensor).value;
    else
      place(value, from.size() == 1 ? *from.begin() : "", tensor);
  }
  const std::vector<char> live = live_nodes(program);
  for (uint32_t n = 0; n < program.graph.size(); ++n) {
    if (!live[n] || frontier.known[n] || moved.contains({n, 0})) continue;
    const Node& node = program.graph.node(n);
    std::vector<Value> operands;
    for (Value v : node.inputs) operands.push_back(moved.at(v));
    graph.set_scope(program.graph.scope_name(node.scope));
    const Value value = graph.add(*node.op, operands, node.attrs);
    for (uint32_t o = 0; o < node.types.size(); ++o) moved[{n, o}] = {value.node, o};
  }
  for (const NamedValue& o : program.outputs) folded.program.outputs.push_back({o.name, moved.at(o.value)});
  return folded;
}

}  // namespace dl::raise
