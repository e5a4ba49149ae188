// Operators that move elements: Reshape, Transpose, Concat, Slice, Pad and their like.
#include <algorithm>
#include <numeric>

#include "io/onnx/importer.h"
#include "ops/ops.h"

namespace dl::onnx {
namespace {

using Ints = std::vector<int64_t>;

OnnxValues import_never(NodeCall& call) { call.unsupported("a shape of this kind"); }  // Shape and Size are always sizes

OnnxValues import_reshape(NodeCall& call) {
  const Var x = call.in(0);
  Shape shape = call.shape_value(1, "the shape");
  const bool zero_is_zero = call.integer("allowzero", 0) != 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!(shape[i] == Dim(0)) || zero_is_zero) continue;
    if (i >= x.shape().size()) call.fail("size 0 in the shape stands for an axis the operand has not");
    shape[i] = x.shape()[i];
  }
  return {reshape(x, std::move(shape))};
}

OnnxValues import_transpose(NodeCall& call) {
  const Var x = call.in(0);
  Ints perm = call.integers("perm");
  if (!call.has_attribute("perm")) {
    perm.resize(x.shape().size());
    std::iota(perm.rbegin(), perm.rend(), 0);
  }
  return {transpose(x, perm)};
}

OnnxValues import_concat(NodeCall& call) {
  std::vector<Var> parts;
  for (size_t i = 0; i < call.inputs(); ++i) parts.push_back(call.in(i));
  if (parts.empty()) call.fail("needs an operand");
  return {concat(parts, call.integer("axis"))};
}

OnnxValues import_constant(NodeCall& call) {
  const auto vector = [](auto list) {
    using T = typename decltype(list)::value_type;
    return Tensor::from<T>({static_cast<int64_t>(list.size())}, list);
  };
  if (call.has_attribute("value")) {
    int32_t narrow = 0;
    OnnxValue value(call.tensor("value", &narrow));
    value.narrow = narrow;
    return {value};
  }
  if (call.has_attribute("value_float")) return {OnnxValue(Tensor::scalar(static_cast<float>(call.real("value_float"))))};
  if (call.has_attribute("value_int")) return {OnnxValue(Tensor::scalar(call.integer("value_int")))};
  if (call.has_attribute("value_floats")) return {OnnxValue(vector(call.floats("value_floats")).cast(DType::kFloat32))};
  if (call.has_attribute("value_ints")) return {OnnxValue(vector(call.integers("value_ints")))};
  call.unsupported("a constant that is no dense tensor of numbers");
}

constexpr OpRow kRows[] = {
    {"Shape", 1, import_never, kAnyType},         {"Size", 1, import_never, kAnyType},    {"Reshape", 5, import_reshape, kAnyType},
    {"Transpose", 1, import_transpose, kAnyType}, {"Concat", 4, import_concat, kAnyType}, {"Constant", 1, import_constant, kAnyType},
};

}  // namespace

std::span<const OpRow> onnx_rows_shape() { return kRows; }

}  // namespace dl::onnx
