#include "layers/expression_functions.h"

#include <numbers>

#include "base/error.h"
#include "ops/builders.h"
#include "ops/indexing.h"

namespace dl::expression {
namespace {

constexpr double kNormalizeEpsilon = 1e-7;  // Keras's backend.epsilon()

std::vector<int64_t> all_axes(std::vector<int64_t> axes, int64_t rank, const char* what) {
  if (!axes.empty()) return normalize_axes(std::move(axes), rank, what);
  for (int64_t i = 0; i < rank; ++i) axes.push_back(i);
  return axes;
}

Var as_flags(Var x) { return x.dtype() == DType::kBool ? cast(x, DType::kInt32) : cast(not_equal(x, 0.0), DType::kInt32); }

}  // namespace

Var variance(Var x, std::vector<int64_t> axes, bool keepdims) {
  return reduce_mean(square(x - reduce_mean(x, axes, true)), axes, keepdims);
}

Var standard_deviation(Var x, std::vector<int64_t> axes, bool keepdims) { return sqrt(variance(x, std::move(axes), keepdims)); }

Var norm(Var x, std::vector<int64_t> axes, bool keepdims) { return sqrt(reduce_sum(square(x), std::move(axes), keepdims)); }

Var logsumexp(Var x, std::vector<int64_t> axes, bool keepdims) {
  axes = all_axes(std::move(axes), x.rank(), "logsumexp");
  if (axes.empty()) return x;
  // Without the largest nothing overflows; where that is not finite it is left alone.
  const Var largest = stop_gradient(reduce_max(x, axes, true));
  const Var top = select(isfinite(largest), largest, 0.0);
  const Var result = log(reduce_sum(exp(x - top), axes, true)) + top;
  return keepdims ? result : squeeze(result, axes);
}

Var any(Var x, std::vector<int64_t> axes, bool keepdims) { return not_equal(reduce_max(as_flags(x), std::move(axes), keepdims), 0.0); }

Var all(Var x, std::vector<int64_t> axes, bool keepdims) { return not_equal(reduce_min(as_flags(x), std::move(axes), keepdims), 0.0); }

Var isnan(Var x) { return not_equal(x, x); }

// x - x is 0 for a finite x and NaN for any other.
Var isfinite(Var x) { return equal(x - x, 0.0); }

Var log2(Var x) { return log(x) / std::numbers::ln2; }
Var log10(Var x) { return log(x) / std::numbers::ln10; }

Var floor_divide(Var a, Var b) { return floor(a / b); }

Var logical_xor(Var a, Var b) { return not_equal(as_flags(a), as_flags(b)); }

Var flatten(Var x) {
  if (x.rank() == 0) throw UserError("flatten needs a value with a first axis");
  return reshape(x, {x.dim(0), Dim(-1)});
}

Var diff(Var x, int64_t axis) {
  const Dim count = x.dim(axis) - Dim(1);
  return slice_axis(x, axis, Dim(1), count) - slice_axis(x, axis, Dim(0), count);
}

Var roll(Var x, int64_t shift, int64_t axis) {
  const Dim size = x.dim(axis);
  if (size.known()) {
    if (size.value() == 0) return x;
    shift = ((shift % size.value()) + size.value()) % size.value();
  }
  if (shift == 0) return x;
  const Dim first = shift > 0 ? size - Dim(shift) : Dim(-shift);  // this many stand in front and go to the end
  return concat({slice_axis(x, axis, first, size - first), slice_axis(x, axis, Dim(0), first)}, axis);
}

Var repeat(Var x, int64_t times, int64_t axis) {
  if (times < 1) throw UserError("repeat takes a positive number of times");
  Shape spread = x.shape(), together = x.shape();
  const size_t a = static_cast<size_t>(axis);
  spread.insert(spread.begin() + axis + 1, Dim(times));
  together[a] = together[a] * Dim(times);
  return reshape(broadcast_to(expand_dims(x, axis + 1), spread), together);
}

Var sort(Var x, int64_t axis) { return top_k(x, x.dim(axis), axis, false).values; }

Var normalize(Var x, int64_t axis) { return x * minimum(rsqrt(reduce_sum(square(x), {axis}, true)), 1 / kNormalizeEpsilon); }

Var outer(Var a, Var b) { return expand_dims(a, -1) * expand_dims(b, -2); }

Var triangle(Var x, int64_t diagonal, bool lower) {
  if (x.rank() < 2) throw UserError("needs a matrix, got " + to_string(x.type()));
  const Shape matrix = {x.dim(-2), x.dim(-1)};
  const Var rows = iota(*x.graph, DType::kInt64, matrix, 0), columns = iota(*x.graph, DType::kInt64, matrix, 1);
  const Var reach = rows + static_cast<double>(diagonal);
  return select(broadcast_to(lower ? less_equal(columns, reach) : greater_equal(columns, reach), x.shape()), x, 0.0);
}

}  // namespace dl::expression
