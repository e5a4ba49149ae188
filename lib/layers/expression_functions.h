// What expressions have besides the operators themselves: functions of them that a user reaches for.
// Who uses it: expression_builder.cpp.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/var.h"

namespace dl::expression {

// ---- reductions; empty axes = all
Var variance(Var x, std::vector<int64_t> axes, bool keepdims);
Var standard_deviation(Var x, std::vector<int64_t> axes, bool keepdims);
Var norm(Var x, std::vector<int64_t> axes, bool keepdims);  // Euclidean
Var logsumexp(Var x, std::vector<int64_t> axes, bool keepdims);
Var any(Var x, std::vector<int64_t> axes, bool keepdims);  // bool, of x != 0
Var all(Var x, std::vector<int64_t> axes, bool keepdims);

// ---- elements
Var isnan(Var x);
Var isfinite(Var x);
Var log2(Var x);
Var log10(Var x);
Var floor_divide(Var a, Var b);
Var logical_xor(Var a, Var b);

// ---- shapes and places
Var flatten(Var x);  // [batch, rest]
Var diff(Var x, int64_t axis);
Var roll(Var x, int64_t shift, int64_t axis);
Var repeat(Var x, int64_t times, int64_t axis);     // each element
Var sort(Var x, int64_t axis);                      // ascending
Var normalize(Var x, int64_t axis);                 // to length 1, as Keras's ops.normalize
Var outer(Var a, Var b);                            // last axes: [..., n] and [..., m] to [..., n, m]
Var triangle(Var x, int64_t diagonal, bool lower);  // of the last two axes; zeros elsewhere

}  // namespace dl::expression
