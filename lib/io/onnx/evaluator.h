// GraphEvaluator: numbers of a Graph's values while it is being built, computed on the CPU from those that are known.
// Who uses it: Importer, for values that decide shapes and branches. Results are kept, so that a chain costs each node once.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "tensor/tensor.h"

namespace dl {
class Backend;
}

namespace dl::onnx {

class GraphEvaluator {
 public:
  GraphEvaluator();
  ~GraphEvaluator();
  GraphEvaluator(const GraphEvaluator&) = delete;
  GraphEvaluator& operator=(const GraphEvaluator&) = delete;

  // Names of the inputs that `value` depends on and whose numbers are not in `known`; "" stands for a size that is symbolic.
  std::vector<std::string> missing(const Graph& graph, Value value, const std::map<Value, Tensor>& known) const;
  // Only when nothing is missing. Adds to `known`.
  Tensor run(const Graph& graph, Value value, std::map<Value, Tensor>& known);

 private:
  std::unique_ptr<Backend> backend_;
};

}  // namespace dl::onnx
