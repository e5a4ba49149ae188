// Builders: functions that add operators to a Graph. Gradients, lowerings, layers and losses are written with these.
// Shapes are checked when the node is added; a mismatch throws UserError with both shapes.
// Axis arguments may be negative (from the end).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "graph/op_def.h"
#include "graph/var.h"

namespace dl {

Var add_op(const OpDef& op, std::initializer_list<Var> inputs, Attrs attrs = {});
Var add_op(const OpDef& op, std::span<const Var> inputs, Attrs attrs = {});

// ---- sources
Var input(Graph& graph, const std::string& name, TensorType type);
Var parameter(Graph& graph, const std::string& name, TensorType type);
Var constant(Graph& graph, const Tensor& value);
Var scalar(Graph& graph, DType dtype, double value);  // rank 0
Var full(Graph& graph, TensorType type, double value);
Var zeros_like(Var x);
Var ones_like(Var x);
Var iota(Graph& graph, DType dtype, Shape shape, int64_t axis);  // element = its index along `axis`

// ---- elementwise: a row of ops/elementwise.def each; operands broadcast
#define DL_UNARY(name, value, grad) Var name(Var x);
#define DL_BINARY(name, value, grad_a, grad_b) \
  Var name(Var a, Var b);                      \
  Var name(Var a, double b);                   \
  Var name(double a, Var b);
#define DL_COMPARE(name, value) \
  Var name(Var a, Var b);       \
  Var name(Var a, double b);
#include "ops/elementwise.def"
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE
inline Var operator-(Var x) { return neg(x); }
inline Var operator+(Var a, Var b) { return add(a, b); }
inline Var operator-(Var a, Var b) { return sub(a, b); }
inline Var operator*(Var a, Var b) { return mul(a, b); }
inline Var operator/(Var a, Var b) { return div(a, b); }
inline Var operator+(Var a, double b) { return add(a, b); }
inline Var operator-(Var a, double b) { return sub(a, b); }
inline Var operator*(Var a, double b) { return mul(a, b); }
inline Var operator/(Var a, double b) { return div(a, b); }
inline Var operator+(double a, Var b) { return add(a, b); }
inline Var operator-(double a, Var b) { return sub(a, b); }
inline Var operator*(double a, Var b) { return mul(a, b); }
inline Var operator/(double a, Var b) { return div(a, b); }
Var select(Var condition, Var when_true, Var when_false);  // condition: bool
Var select(Var condition, Var when_true, double when_false);
Var select(Var condition, double when_true, Var when_false);
Var logical_not(Var x);
Var logical_and(Var a, Var b);
Var logical_or(Var a, Var b);
Var clip(Var x, double low, double high);
Var cast(Var x, DType dtype);
Var stop_gradient(Var x);  // identity whose gradient is zero

// ---- shape
Var reshape(Var x, Shape shape);  // one size may be -1
Var transpose(Var x, std::vector<int64_t> perm);
Var broadcast_to(Var x, Shape shape);
Var expand_dims(Var x, int64_t axis);
Var squeeze(Var x, std::vector<int64_t> axes);
Var slice(Var x, Shape starts, Shape sizes, std::vector<int64_t> steps = {});  // sizes count elements taken
Var slice_axis(Var x, int64_t axis, Dim start, Dim size, int64_t step = 1);
Var pad(Var x, std::vector<int64_t> before, std::vector<int64_t> after, double value = 0);
Var pad(Var x, Shape before, Shape after, double value = 0, std::vector<int64_t> interior = {});  // interior: gaps between elements
Var concat(std::span<const Var> inputs, int64_t axis);
Var concat(std::initializer_list<Var> inputs, int64_t axis);
Var reverse(Var x, int64_t axis);
Var gather(Var x, Var indices,
           int64_t axis);  // indices: int32 or int64, 0 <= i < dim; result: x.shape with `axis` replaced by indices.shape
Var scatter_add(Var updates, Var indices, Dim size, int64_t axis);  // adjoint of gather
Var one_hot(Var indices, Dim depth, DType dtype);                   // new last axis

// ---- reductions; empty axes = all
Var reduce_sum(Var x, std::vector<int64_t> axes = {}, bool keepdims = false);
Var reduce_max(Var x, std::vector<int64_t> axes = {}, bool keepdims = false);
Var reduce_min(Var x, std::vector<int64_t> axes = {}, bool keepdims = false);
Var reduce_prod(Var x, std::vector<int64_t> axes = {}, bool keepdims = false);
Var reduce_mean(Var x, std::vector<int64_t> axes = {}, bool keepdims = false);
Var arg_max(Var x, int64_t axis);                            // int64, first of equals
Var size_of(Var x, std::vector<int64_t> axes, DType dtype);  // scalar: product of those sizes
Var sum_to(Var x, const Shape& shape);                       // adjoint of broadcasting `shape` to x

// ---- linear algebra: last two axes, leading axes broadcast
Var matmul(Var a, Var b, bool transpose_a = false, bool transpose_b = false);

// ---- random: a pure function of (seed, stream, counter); counter is a rank-0 int64, e.g. the step number
Var random_uniform(Var counter, Shape shape, DType dtype, int64_t seed, int64_t stream);  // [0, 1)

// ---- communication: sum (or mean) over all ranks of every operand; result i is output(i)
std::vector<Var> all_reduce(std::span<const Var> values, bool mean, int64_t bucket);

int64_t normalize_axis(int64_t axis, int64_t rank, const char* what);                            // UserError out of range
std::vector<int64_t> normalize_axes(std::vector<int64_t> axes, int64_t rank, const char* what);  // sorted, unique

}  // namespace dl
