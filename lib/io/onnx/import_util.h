// Small helpers shared by the import_<family>.cpp files.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "io/onnx/importer.h"

namespace dl::onnx {

// A constant of a type, from numbers; the number of elements is that of the dims.
Tensor number_tensor(DType dtype, Dims dims, std::span<const double> numbers);
Tensor int_tensor(Dims dims, std::span<const int64_t> numbers);
Var numbers(Graph& graph, DType dtype, Dims dims, std::span<const double> values);
Var integers(Graph& graph, Dims dims, std::span<const int64_t> values);

// Operand i as indices into an axis of `size`: int32 or int64, negative ones counted from the end. Constants become constants.
Var wrapped_indices(NodeCall& call, size_t i, Dim size);
// Operand i of an operator whose operands broadcast: before opset 7 its first axis is that of the attribute `axis` of operand 0.
Var broadcast_operand(NodeCall& call, size_t i);
// A scalar that is a size.
Var size_scalar(Graph& graph, Dim size, DType dtype);
// The axis attribute, checked against the rank.
int64_t axis_of(NodeCall& call, int64_t fallback, int64_t rank);
int64_t checked_axis(const NodeCall& call, int64_t axis, int64_t rank);
// The sizes. NeedsInput saying that `what` needs them where one is symbolic.
Dims known_shape(NodeCall& call, const Shape& shape, const std::string& what);
// Reshapes a vector so that it lies along `axis` of a tensor of that rank.
Var along_axis(Var vector, int64_t axis, int64_t rank);

}  // namespace dl::onnx
