// The passes, in the order the compiler runs them. Each takes a Program and gives a Program that computes the same.
// A verifier runs after each in debug builds. Passes know operators, not devices: what a device can do comes in as a
// function.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "graph/program.h"

namespace dl {

// Puts numbers for symbolic sizes, in shapes and attributes. UserError when a size does not fit (from infer).
Program bind_sizes(const Program& program, const Bindings& bindings);

// Removes what changes nothing: x + 0, x * 1, reshape of reshape, transpose of transpose, sums over axes of size 1;
// computes scalars known now.
Program simplify(const Program& program);

// Can the device run a node of these operand types as it is?
using AcceptsNode = std::function<bool(const Node& node, const Graph& graph)>;

// Replaces every node the device does not accept: by its lowering, or, where bfloat16 is what stands in the way, by the
// same node in float32 between casts. InternalError naming the operator when neither is possible.
Program legalize(const Program& program, const AcceptsNode& accepts);

// Joins matmul/conv + bias + activation where the device accepts the fused operator, and chains of elementwise
// operators into one.
Program fuse(const Program& program, const AcceptsNode& accepts);

// The list above as --explain passes shows it: name and the Program after it.
struct PassTrace {
  std::string name;
  std::string text;
};

// All passes on a bound Program. `trace` (may be null) receives the text after each.
Program optimize(const Program& program, const Bindings& bindings, const AcceptsNode& accepts, std::vector<PassTrace>* trace);

}  // namespace dl
