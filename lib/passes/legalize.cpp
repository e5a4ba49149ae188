#include <fmt/format.h>

#include "graph/op_def.h"
#include "ops/builders.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace dl {
namespace {

bool has_bfloat16(const Node& node, const std::vector<Var>& inputs) {
  for (const TensorType& t : node.types)
    if (t.dtype == DType::kBFloat16) return true;
  for (const Var& v : inputs)
    if (v.dtype() == DType::kBFloat16) return true;
  return false;
}

// The same node in float32; operands widened, results narrowed to the types the node had.
std::vector<Var> widen(Graph& graph, const Node& node, const std::vector<Var>& inputs) {
  std::vector<Var> wide;
  for (const Var& v : inputs) wide.push_back(v.dtype() == DType::kBFloat16 ? cast(v, DType::kFloat32) : v);
  Node float_node = node;
  if (node.attrs.has("dtype") && node.attrs.dtype("dtype") == DType::kBFloat16) float_node.attrs.set("dtype", DType::kFloat32);
  std::vector<Var> outputs = copy_node(graph, float_node, wide);
  for (size_t i = 0; i < outputs.size(); ++i) outputs[i] = cast(outputs[i], node.types[i].dtype);
  return outputs;
}

bool accepted_everywhere(const Program& program, const AcceptsNode& accepts) {
  const std::vector<char> live = live_nodes(program);
  for (uint32_t i = 0; i < program.graph.size(); ++i) {
    const Node& node = program.graph.node(i);
    if (live[i] && node.op->kind != OpKind::kSource && !accepts(node, program.graph)) return false;
  }
  return true;
}

}  // namespace

Program legalize(const Program& program, const AcceptsNode& accepts) {
  // A lowering may itself hold operators the device lacks, so the pass repeats; each round removes a level of composition.
  constexpr int kMaxRounds = 16;
  Program current = rewrite(program, [](const RewriteCall&) { return std::vector<Var>{}; });
  for (int round = 0; round < kMaxRounds; ++round) {
    if (accepted_everywhere(current, accepts)) return current;
    current = rewrite(current, [&](const RewriteCall& call) -> std::vector<Var> {
      const Node& node = call.node;
      if (node.op->kind == OpKind::kSource || accepts(node, current.graph)) return {};
      if (has_bfloat16(node, call.inputs) && std::string_view(node.op->name) != "cast") {
        std::vector<Var> outputs = widen(call.graph, node, call.inputs);
        return outputs;
      }
      if (node.op->lower) return node.op->lower({call.graph, node.attrs, call.inputs, node.types});
      std::string operands;
      for (const Var& v : call.inputs) operands += (operands.empty() ? "" : ", ") + to_string(v.type());
      throw InternalError(fmt::format("no kernel of this device accepts {}({}) {}", node.op->name, operands, to_string(node.attrs)));
    });
    current = simplify(current);
  }
  throw InternalError("lowering did not come to an end");
}

}  // namespace dl
