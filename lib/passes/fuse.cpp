// Rows of {pattern, replacement}. A pattern is rooted at the last node of what it replaces; the nodes in between must have
// no other reader, so nothing is computed twice.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "ops/builders.h"
#include "ops/ops.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace dl {
namespace {

// The old program with what patterns ask about it.
struct Matcher {
  const Program& program;
  std::vector<int> readers;  // by node

  explicit Matcher(const Program& p) : program(p), readers(p.graph.size(), 0) {
    const std::vector<char> live = live_nodes(p);
    for (uint32_t i = 0; i < p.graph.size(); ++i)
      if (live[i])
        for (Value v : p.graph.node(i).inputs) ++readers[v.node];
    for (const NamedValue& o : p.outputs) ++readers[o.value.node];
    for (const Update& u : p.updates) ++readers[u.new_value.node];
  }
  const Node& node(Value v) const { return program.graph.node(v); }
  bool single(Value v) const { return readers[v.node] == 1; }
};

// What is left of conv or matmul, bias and activation.
struct Epilogue {
  const Node* core;
  Value bias;
  std::string activation = "linear";
};

const char* activation_of(const Node& node) {
  for (const OpDef* op : {&op_relu, &op_tanh, &op_sigmoid})
    if (node.op == op) return op->name;
  return nullptr;
}

// add(core, bias) where bias has one axis that is the last of core's result.
std::optional<Epilogue> match_bias(const Matcher& m, const Node& add) {
  if (add.op != &op_add) return std::nullopt;
  for (size_t side = 0; side < 2; ++side) {
    const Value result = add.inputs[side], bias = add.inputs[1 - side];
    const Node& core = m.node(result);
    if ((core.op != &op_conv && core.op != &op_matmul) || !m.single(result)) continue;
    const TensorType &type = m.program.graph.type(result), &bias_type = m.program.graph.type(bias);
    if (core.op == &op_conv && core.attrs.flag("channels_first")) continue;
    if (bias_type.shape.size() != 1 || !(bias_type.shape[0] == type.shape.back()) || !(type == add.types[0])) continue;
    return Epilogue{&core, bias};
  }
  return std::nullopt;
}

std::optional<Epilogue> match_epilogue(const Matcher& m, const Node& node) {
  if (const char* activation = activation_of(node)) {
    if (!m.single(node.inputs[0])) return std::nullopt;
    std::optional<Epilogue> e = match_bias(m, m.node(node.inputs[0]));
    if (e) e->activation = activation;
    return e;
  }
  return match_bias(m, node);
}

// The add of a bias that will go into the activation after it is left to that activation.
bool waits_for_activation(const Matcher& m, uint32_t index) {
  if (m.readers[index] != 1) return false;
  for (uint32_t i = index + 1; i < m.program.graph.size(); ++i) {
    const Node& user = m.program.graph.node(i);
    if (user.inputs.size() == 1 && user.inputs[0].node == index && activation_of(user)) return true;
  }
  return false;
}

}  // namespace

Program fuse(const Program& program, const AcceptsNode& accepts) {
  const Matcher matcher(program);
  std::vector<Value> moved(program.graph.size());  // output 0 of each old node in the new graph
  return rewrite(program, [&](const RewriteCall& call) -> std::vector<Var> {
    const auto keep = [&](std::vector<Var> outputs) {
      moved[call.old_value.node] = outputs[0].value;
      return outputs;
    };
    const std::optional<Epilogue> match = match_epilogue(matcher, call.node);
    if (!match || (call.node.op == &op_add && waits_for_activation(matcher, call.old_value.node)))
      return keep(copy_node(call.graph, call.node, call.inputs));
    std::vector<Var> operands;
    for (Value v : match->core->inputs) operands.push_back({&call.graph, {moved[v.node].node, v.index}});
    operands.push_back({&call.graph, {moved[match->bias.node].node, match->bias.index}});
    Attrs attrs = match->core->attrs;
    attrs.set("activation", match->activation);
    const OpDef& fused = match->core->op == &op_conv ? op_conv_bias : op_matmul_bias;
    const Var result = add_op(fused, operands, std::move(attrs));
    if (!accepts(call.graph.node(result.value), call.graph)) return keep(copy_node(call.graph, call.node, call.inputs));
    return keep({result});
  });
}

}  // namespace dl
