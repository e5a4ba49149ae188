#include "io/onnx/import_util.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/ops.h"

namespace dl::onnx {

Tensor number_tensor(DType dtype, Dims dims, std::span<const double> numbers) {
  return Tensor::from<double>(std::move(dims), numbers).cast(dtype);
}
Tensor int_tensor(Dims dims, std::span<const int64_t> numbers) { return Tensor::from<int64_t>(std::move(dims), numbers); }
Var numbers(Graph& graph, DType dtype, Dims dims, std::span<const double> values) {
  return constant(graph, number_tensor(dtype, std::move(dims), values));
}
Var integers(Graph& graph, Dims dims, std::span<const int64_t> values) { return constant(graph, int_tensor(std::move(dims), values)); }

Var size_scalar(Graph& graph, Dim size, DType dtype) {
  if (size.known()) return scalar(graph, dtype, static_cast<double>(size.value()));
  return {&graph, graph.add(op_size_of, {}, {{"size", Shape{size}}, {"dtype", dtype}})};
}

Var wrapped_indices(NodeCall& call, size_t i, Dim size) {
  const DType type = call.dtype(i);
  if (type != DType::kInt32 && type != DType::kInt64) call.fail("indices must be int32 or int64");
  if (call.value(i).initial) {
    const Tensor& given = call.value(i).initial->tensor;
    bool negative = false;
    for (int64_t k = 0; k < given.size(); ++k) negative = negative || given.at(k) < 0;
    if (!negative) return call.in(i);
    if (size.known()) {
      Tensor wrapped = given.clone();
      for (int64_t k = 0; k < given.size(); ++k)
        if (given.at(k) < 0) wrapped.set(k, given.at(k) + static_cast<double>(size.value()));
      return constant(call.graph(), wrapped);
    }
  }
  const Var at = call.in(i);
  return select(less(at, 0.0), at + size_scalar(call.graph(), size, type), at);
}

Var broadcast_operand(NodeCall& call, size_t i) {
  const Var x = call.in(i);
  if (call.opset() >= 7) return x;
  const Var first = call.in(0);
  if (call.integer("broadcast", 0) == 0) {
    if (x.shape() != first.shape()) call.fail("its operands differ in shape, and 'broadcast' is not set");
    return x;
  }
  if (!call.has_attribute("axis")) return x;
  const int64_t axis = axis_of(call, 0, first.rank());
  if (axis + x.rank() > first.rank()) call.fail("operand " + std::to_string(i) + " does not fit at its axis");
  Shape shape(first.shape().size(), Dim(1));
  std::copy(x.shape().begin(), x.shape().end(), shape.begin() + axis);
  return reshape(x, shape);
}

int64_t checked_axis(const NodeCall& call, int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank) call.fail(fmt::format("axis {} is outside of rank {}", axis, rank));
  return axis < 0 ? axis + rank : axis;
}
int64_t axis_of(NodeCall& call, int64_t fallback, int64_t rank) { return checked_axis(call, call.integer("axis", fallback), rank); }

Dims known_shape(NodeCall& call, const Shape& shape, const std::string& what) {
  if (!all_known(shape)) call.importer().evaluate(OnnxValue(Sizes{shape}), what);  // throws NeedsInput
  return known_dims(shape);
}

Var along_axis(Var vector, int64_t axis, int64_t rank) {
  Shape shape(static_cast<size_t>(rank), Dim(1));
  shape.at(static_cast<size_t>(axis)) = vector.dim(0);
  return reshape(vector, shape);
}

}  // namespace dl::onnx
