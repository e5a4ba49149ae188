// Constants: which values of an inference program are known without its inputs, and what they are. Weights, constants and everything
// computed from them alone; large results of small operands (an expanded zero) count as unknown and stay nodes.
// Who uses it: the writer of ONNX (Emitter), raise (fold_weights). Holds references to the program and the weights; not thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "graph/program.h"
#include "tensor/tensor.h"

namespace dl {

class Constants {
 public:
  Constants(const Program& program, const std::map<std::string, Tensor>& weights);

  bool is_static(Value value) const { return static_[value.node] != 0; }
  // The value, computed anew in every call; a weight shares the memory of the model. Of what is computed from weights and constants alone.
  Tensor evaluate(Value value) const;
  // The first parameter that the value comes from, "" when there is none.
  std::string parameter_of(Value value) const;

 private:
  std::vector<uint32_t> nodes_of(Value value) const;  // what it is computed from, in order, with itself
  Tensor run(Value value, const std::vector<uint32_t>& nodes) const;

  const Program& program_;
  const std::map<std::string, Tensor>& weights_;
  std::vector<char> static_;
};

// The elements in another order of axes.
Tensor transposed(const Tensor& x, const std::vector<int64_t>& perm);

}  // namespace dl
