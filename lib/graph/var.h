// Var: a Value together with its Graph, so that builders read like arithmetic: y = x * sigmoid(1.702 * x).
// The operators and functions on Var are declared in ops/builders.h.
#pragma once

#include "graph/graph.h"

namespace dl {

struct Var {
  Graph* graph = nullptr;
  Value value;

  bool valid() const { return graph != nullptr; }
  const TensorType& type() const { return graph->type(value); }
  DType dtype() const { return type().dtype; }
  const Shape& shape() const { return type().shape; }
  int64_t rank() const { return static_cast<int64_t>(shape().size()); }
  Dim dim(int64_t axis) const { return shape().at(static_cast<size_t>(axis < 0 ? axis + rank() : axis)); }
  Var output(uint32_t index) const { return {graph, {value.node, index}}; }  // another output of the same node
};

}  // namespace dl
