// rewrite: the one loop every pass uses. Walks the live nodes of a Program in order and builds a new Program; a pass says
// per node what to put in its place. Names of inputs, outputs, parameters and updates carry over.
#pragma once

#include <functional>
#include <vector>

#include "graph/program.h"
#include "graph/var.h"

namespace dl {

struct RewriteCall {
  Graph& graph;             // the new graph
  const Node& node;         // the old node
  Value old_value;          // its output 0
  std::vector<Var> inputs;  // its operands, already rewritten
};

// The replacement's outputs (one per output of the node), or empty to keep the node as it is.
using RewriteRule = std::function<std::vector<Var>(const RewriteCall&)>;

Program rewrite(const Program& program, const RewriteRule& rule);

// The node again, with other operands, in another graph.
std::vector<Var> copy_node(Graph& graph, const Node& node, const std::vector<Var>& inputs);

}  // namespace dl
