// Builders of operators over places and bits: running sums, the k largest, elements at given places, bits of integers.
// Who uses it: importers of graph formats, layers. Gradients as everywhere; see the files of ops/ named below.
// Indices are int32 or int64 and not negative; one outside of its axis is a UserError when the program runs.
#pragma once

#include "graph/var.h"

namespace dl {

// ---- ops/cumulative.cpp. exclusive: without the element itself, which starts with 0 (1); reverse: from the end.
Var cumsum(Var x, int64_t axis, bool exclusive = false, bool reverse = false);
Var cumprod(Var x, int64_t axis, bool exclusive = false, bool reverse = false);  // gradient: not where an element is 0

// ---- ops/top_k.cpp
struct TopK {
  Var values, indices;  // sorted, first the largest (smallest); of equals the one with the lower index first; indices int64
};
TopK top_k(Var x, Dim k, int64_t axis, bool largest = true);  // NaN counts as larger than everything

// ---- ops/elements.cpp. Indices have the rank of x, and along the other axes at most its size.
Var gather_elements(Var x, Var indices, int64_t axis);  // y[i][j] = x[indices[i][j]][j] for axis 0
enum class Scatter { kReplace, kAdd, kMultiply, kMaximum, kMinimum };
// x with updates[i][j] joined to its element [indices[i][j]][j], in order.
Var scatter_elements(Var x, Var indices, Var updates, int64_t axis, Scatter mode = Scatter::kReplace);

// ---- ops/bits.cpp. Integers of one type; operands broadcast. Shifts by the width of the type and more give 0.
Var bitwise_and(Var a, Var b);
Var bitwise_or(Var a, Var b);
Var bitwise_xor(Var a, Var b);
Var bitwise_not(Var x);
Var shift_left(Var a, Var b);
Var shift_right(Var a, Var b);
// Remainder of the division that rounds towards zero, with the sign of a; exact for integers and floats.
Var fmod(Var a, Var b);

// ---- ops/determinant.cpp: [..., n, n] to [...]
Var determinant(Var x);

}  // namespace dl
