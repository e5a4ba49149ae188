// A naive interpreter: runs single kernel rows on host tensors, and graphs node by node with reference kernels.
// Who uses it: conformance tests. Slow and simple on purpose; nothing of plan/ is involved.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "graph/graph.h"

namespace dl::conformance {

// A node with bound shapes, ready to be offered to kernel rows.
struct BoundNode {
  const OpDef* op;
  Attrs attrs;  // complete
  std::vector<OperandType> inputs, outputs;

  BoundNode(const Graph& graph, uint32_t node);
};

std::unique_ptr<Kernel> prepare(Backend& backend, const KernelRow& row, const BoundNode& node);
// Runs the kernel on plain tensors, reordering where it wants other layouts. `in_place` names a pair of Kernel::in_place to use.
std::vector<Tensor> run(Backend& backend, Kernel& kernel, const BoundNode& node, std::span<const Tensor> inputs,
                        std::optional<std::pair<int, int>> in_place = {});

// Values of a graph for given inputs, by reference kernels; operators without one are lowered (the graph grows).
class Evaluator {
 public:
  Evaluator(Backend& backend, Graph& graph) : backend_(backend), graph_(graph) {}
  void feed(Value value, Tensor tensor) { known_[value] = std::move(tensor); }
  Tensor evaluate(Value value);

 private:
  void evaluate_node(uint32_t node);

  Backend& backend_;
  Graph& graph_;
  std::map<Value, Tensor> known_;
};

const KernelRow* find_reference(const Backend& backend, const OpDef& op);

}  // namespace dl::conformance
