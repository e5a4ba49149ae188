#include "plan/schedule.h"

#include "graph/op_def.h"
#include "ops/ops.h"

namespace dl {
namespace {

std::vector<char> find_eager(const Program& program) {
  const Graph& graph = program.graph;
  std::vector<char> eager(graph.size(), 0);
  for (const Update& u : program.updates) eager[u.new_value.node] = 1;
  for (uint32_t i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    bool tiny = node.op->kind != OpKind::kRandom;
    for (const TensorType& t : node.types) tiny = tiny && t.shape.empty();
    for (Value v : node.inputs) tiny = tiny && graph.type(v).shape.empty();
    if (node.op == &op_all_reduce || tiny) eager[i] = 1;
  }
  return eager;
}

}  // namespace

std::vector<uint32_t> schedule(const Program& program) {
  const Graph& graph = program.graph;
  const std::vector<char> live = live_nodes(program), eager = find_eager(program);
  std::vector<std::vector<uint32_t>> users(graph.size());
  std::vector<size_t> missing(graph.size(), 0);
  for (uint32_t i = 0; i < graph.size(); ++i) {
    if (!live[i]) continue;
    for (Value v : graph.node(i).inputs) users[v.node].push_back(i);
    missing[i] = graph.node(i).inputs.size();
  }
  std::vector<uint32_t> order;
  std::vector<char> done(graph.size(), 0);
  const auto emit = [&](uint32_t first) {
    std::vector<uint32_t> stack = {first};
    while (!stack.empty()) {
      const uint32_t i = stack.back();
      stack.pop_back();
      done[i] = 1;
      order.push_back(i);
      for (auto it = users[i].rbegin(); it != users[i].rend(); ++it)
        if (--missing[*it] == 0 && eager[*it] && !done[*it]) stack.push_back(*it);
    }
  };
  for (uint32_t i = 0; i < graph.size(); ++i)
    if (live[i] && !done[i]) emit(i);
  return order;
}

}  // namespace dl
