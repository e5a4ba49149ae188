// Einstein sums of two operands as transpositions and one matrix product.
// Who uses it: EinsumDense, attention over several axes.
#pragma once

#include <string>

#include "graph/var.h"

namespace dl {

// `a`, `b`, `out`: one letter for each axis, as in "abc,cd->abd". A letter of both operands is summed over unless it stands in
// `out`; one of a single operand that does not is summed too. No letter twice in an operand. UserError where sizes differ.
Var einsum(Var x, const std::string& a, Var y, const std::string& b, const std::string& out);

}  // namespace dl
