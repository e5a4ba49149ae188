// OpDef: everything the rest of the program knows about an operator, as data and plain functions.
// One constant per operator, defined in ops/<name>.cpp and listed in ops/ops.def. See lib/README.md, "add an operator".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "graph/var.h"

namespace dl {

struct AttrSpec {
  const char* name;
  AttrValue value;        // the default; its alternative is the attribute's type
  bool required = false;  // then `value` only gives the type
};

// A call whose types are to be inferred. Attributes are complete.
struct InferCall {
  const OpDef& op;
  std::span<const TensorType> inputs;
  const Attrs& attrs;
};
// Throws UserError "conv: ..." with the shapes in question.
[[noreturn]] void infer_error(const InferCall& call, const std::string& message);

// A node to differentiate. douts[i] is invalid where no gradient reaches output i; at least one is valid.
struct GradCall {
  Graph& graph;
  const Attrs& attrs;
  std::vector<Var> inputs, outputs, douts;
};

// A node to write in smaller operators.
struct LowerCall {
  Graph& graph;
  const Attrs& attrs;
  std::vector<Var> inputs;
  std::span<const TensorType> types;  // of the outputs
};

// Work of a node with bound shapes.
struct CostCall {
  const Attrs& attrs;
  std::span<const TensorType> inputs, outputs;
};

// One conformance case: input types with bound shapes (and value ranges) and attributes.
struct Sample {
  std::vector<TensorType> inputs;
  Attrs attrs = {};
  double low = -2, high = 2;        // range of random inputs
  std::vector<Tensor> values = {};  // given inputs where random ones make no sense (indices); empty = random
  bool differentiable = true;       // false: gradient not checked here (kinks, integer inputs); say why in a comment
};

enum class OpKind : uint8_t {
  kSource,       // input, parameter, constant: no kernel runs
  kElementwise,  // one result element per (broadcast) operand element; a row of ops/elementwise.def
  kView,         // same bytes, other shape
  kRandom,       // depends on a counter operand
  kOther,
};

struct OpDef {
  const char* name;
  OpKind kind = OpKind::kOther;
  int min_inputs = 0;
  int max_inputs = 0;  // -1: any number
  std::vector<AttrSpec> attrs = {};
  std::vector<TensorType> (*infer)(const InferCall&) = nullptr;
  // Gradient with respect to each input (an invalid Var: none), by calling builders only, so that gradients of
  // gradients just work. Null: through `lower`, or none for the reason in `no_gradient`.
  std::vector<Var> (*grad)(const GradCall&) = nullptr;
  const char* no_gradient = nullptr;
  // The same function in smaller operators; null for core operators, which every backend must have.
  std::vector<Var> (*lower)(const LowerCall&) = nullptr;
  double (*flops)(const CostCall&) = nullptr;  // null: one per output element
  std::vector<Sample> (*samples)() = nullptr;  // conformance cases
};

// Bound work in floating point operations (multiply and add count as two).
double flops_of(const OpDef& op, const CostCall& call);

}  // namespace dl
