// Conformance cases: samples of operators as graphs of one node with inputs.
#pragma once

#include <string>
#include <vector>

#include "conformance/evaluate.h"
#include "graph/op_def.h"
#include "graph/var.h"

namespace dl::conformance {

// A sample whose float32 operands (and type attributes) became `dtype`. Where the sample gives no values, they are
// random, with `narrow` such as bfloat16 holds too, so that one truth serves all types.
struct Case {
  std::string name;  // "conv sample 3 bfloat16"
  Graph graph;
  std::vector<Var> inputs;
  std::vector<Tensor> values;
  Value node;  // output 0

  Case(const OpDef& op, const Sample& sample, size_t index, DType dtype, bool narrow = true);
  Case(const Case&) = delete;
  Case& operator=(const Case&) = delete;
};

// True when some operand, result or type attribute of the sample is float32.
bool is_float_sample(const OpDef& op, const Sample& sample);
// The operator's own samples, and large ones that make kernels use threads, blocks and tails.
std::vector<Sample> samples_of(const OpDef& op);
std::vector<Sample> large_samples_of(const OpDef& op);

}  // namespace dl::conformance
