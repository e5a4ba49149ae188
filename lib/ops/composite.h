// composite: values that together are one operator of a file's format, which this graph computes by smaller ones. Its first operands are
// the results as the graph computes them, the others what the operator was given in the file; its outputs are the results. So it changes
// no number, and whoever writes the format again finds the operator as it was.
// Who uses it: importers of graph formats add it, their exporters read it; building a model (layers/graph_layer) leaves it out, so that
// training, planning and raising never meet one.
#pragma once

#include <vector>

#include "graph/var.h"

namespace dl {

extern const OpDef op_composite;

// What a composite stands for. In `operands` and `outputs` an invalid Var or -1 is one that is left out.
struct CompositeSpec {
  std::string type;              // of the operator; the node's name is the scope that the composite is in
  int64_t version = 0;           // of the operator set
  std::string attributes;        // as the format has them, as text
  int64_t place = 0;             // keeps equal nodes of the file apart
  std::vector<Var> operands;     // in the file's order
  std::vector<int64_t> outputs;  // for each output of the node in the file: its index in `results`
};
// The results again, one Var for each.
std::vector<Var> composite(const std::vector<Var>& results, const CompositeSpec& spec);

// The operands of a composite as the file has them; an invalid Value where one is left out.
std::vector<Value> composite_operands(const Node& node);
// What a value of a composite is computed by; other values are themselves.
Value without_composite(const Graph& graph, Value value);

}  // namespace dl
