// Quantised numbers: scales and zero points, and products of integers, exact in 32 bits.
#include <fmt/format.h>

#include <algorithm>

#include "io/onnx/exact_integers.h"
#include "io/onnx/import_util.h"
#include "io/onnx/tensor_data.h"
#include "io/onnx/windows.h"

namespace dl::onnx {
namespace {

struct Range {
  double low, high;
};

// Of an integer type that numbers are quantised to, by its ONNX number; nullopt for floats.
std::optional<Range> range_of(int32_t type) {
  const std::string name = onnx_type_name(type);
  for (const auto& [known, range] : {std::pair<const char*, Range>{"uint8", {0, 255}},
                                     {"int8", {-128, 127}},
                                     {"uint16", {0, 65535}},
                                     {"int16", {-32768, 32767}},
                                     {"uint4", {0, 15}},
                                     {"int4", {-8, 7}},
                                     {"uint2", {0, 3}},
                                     {"int2", {-2, 1}}})
    if (name == known) return range;
  return std::nullopt;
}

int32_t type_of(NodeCall& call, size_t i) { return call.value(i).narrow ? call.value(i).narrow : onnx_type_of(call.dtype(i)); }

// A scale or zero point in the shape that broadcasts to x: one number, one per element of an axis, or one per block.
Var spread(NodeCall& call, Var s, Var x) {
  if (s.rank() == 0) return s;
  const int64_t block = call.integer("block_size", 0);
  if (block < 0) call.fail("block_size is negative");
  if (s.rank() == 1 && s.dim(0) == Dim(1) && block == 0) return reshape(s, {});
  const int64_t axis = axis_of(call, 1, x.rank());
  if (block == 0) {
    if (s.rank() != 1) call.fail(fmt::format("a scale of shape {} needs block_size", to_string(s.shape())));
    if (s.dim(0) != x.dim(axis))
      call.fail(fmt::format("{} scales for {} elements of axis {}", to_string(s.dim(0)), to_string(x.dim(axis)), axis));
    return along_axis(s, axis, x.rank());
  }
  if (s.rank() != x.rank()) call.fail("blocks need scales of the operand's rank");
  const int64_t size = known_shape(call, {x.dim(axis)}, "the axis in blocks")[0], blocks = (size + block - 1) / block;
  if (s.dim(axis) != Dim(blocks)) call.fail(fmt::format("{} scales for {} blocks", to_string(s.dim(axis)), blocks));
  std::vector<int64_t> places;
  for (int64_t i = 0; i < size; ++i) places.push_back(i / block);
  return gather(s, integers(call.graph(), {size}, places), axis);
}

// round(x / scale) + zero point, cut to the range: in the type of x.
Var quantize(Var x, Var scale, Var zero_point, Range range) {
  Var q = round(x / scale);
  if (zero_point.valid()) q = q + cast(zero_point, q.dtype());
  return clip(q, range.low, range.high);
}

OnnxValues import_quantize_linear(NodeCall& call) {
  const Var given = call.in(0), x = is_float(given.dtype()) ? given : cast(given, DType::kFloat32);
  int32_t to = static_cast<int32_t>(call.integer("output_dtype", 0));
  if (call.has(2)) {
    const int32_t type = type_of(call, 2);
    if (to != 0 && to != type) call.fail("output_dtype is not the type of the zero point");
    to = type;
  }
  if (to == 0) to = onnx_type_of(DType::kUInt8);
  const std::optional<ElementType> element = element_type(to);
  if (!element) call.unsupported("a result of type " + onnx_type_name(to));
  const Var scale = spread(call, cast(call.in(1), x.dtype()), x);
  if (const std::optional<Range> range = range_of(to)) {
    const Var zero_point = call.has(2) ? spread(call, call.in(2), x) : Var{};
    OnnxValue result = cast(quantize(x, scale, zero_point, *range), element->dtype);
    result.narrow = element->narrow;
    return {result};
  }
  if (!element->narrow || element->dtype != DType::kFloat32) call.fail("cannot quantise to " + onnx_type_name(to));
  // Narrow floats are rounded number by number, where these are known.
  Tensor t = call.importer().evaluate(x / scale, "a result of type " + onnx_type_name(to)).cast(DType::kFloat32).clone();
  const bool saturate = call.integer("saturate", 1) != 0;
  for (int64_t i = 0; i < t.size(); ++i) t.data<float>()[i] = round_to_narrow(t.data<float>()[i], to, saturate);
  OnnxValue result(t);
  result.narrow = to;
  return {result};
}

OnnxValues import_dequantize_linear(NodeCall& call) {
  const Var x = call.in(0), scale = call.in(1);
  Var y = cast(x, DType::kFloat32);
  if (call.has(2)) {
    if (type_of(call, 2) != type_of(call, 0)) call.fail("the zero point must have the type of the operand");
    const Var zero_point = spread(call, call.in(2), x);
    // int32 numbers may be more than float32 holds: subtract first.
    y = x.dtype() == DType::kInt32 ? cast(x - zero_point, DType::kFloat32) : y - cast(zero_point, DType::kFloat32);
  }
  y = y * cast(spread(call, scale, x), DType::kFloat32);
  if (const auto to = static_cast<int32_t>(call.integer("output_dtype", 0))) {
    const std::optional<ElementType> element = element_type(to);
    if (!element || !is_float(element->dtype) || element->narrow) call.fail("output_dtype is no type that numbers are restored to");
    return {cast(y, element->dtype)};
  }
  return {cast(y, scale.dtype())};
}

OnnxValues import_dynamic_quantize_linear(NodeCall& call) {
  const Var x = call.in(0);
  if (x.dtype() != DType::kFloat32) call.fail("takes float32");
  const Var high = x.rank() ? maximum(reduce_max(x), 0.0) : maximum(x, 0.0), low = x.rank() ? minimum(reduce_min(x), 0.0) : minimum(x, 0.0);
  const Var range = high - low, scale = select(equal(range, 0.0), 1.0, range) / 255.0;
  const Var zero_point = round(clip(-low / scale, 0, 255));
  return {cast(quantize(x, scale, zero_point, {0, 255}), DType::kUInt8), scale, cast(zero_point, DType::kUInt8)};
}

// ---- products of integers

// One zero point, one per row of a (`row`) or one per column of b; as int32.
Var matmul_zero_point(NodeCall& call, size_t i, bool row) {
  const Var z = cast(call.in(i), DType::kInt32);
  if (z.rank() == 1 && z.dim(0) == Dim(1)) return reshape(z, {});
  return z.rank() == 1 && row ? expand_dims(z, 1) : z;
}

Var shifted(NodeCall& call, size_t i, size_t zero_point, bool row) {
  const Var x = cast(call.in(i), DType::kInt32);
  return call.has(zero_point) ? x - matmul_zero_point(call, zero_point, row) : x;
}

OnnxValues import_matmul_integer(NodeCall& call) { return {exact_matmul(shifted(call, 0, 2, true), shifted(call, 1, 3, false))}; }

// scale_a * scale_b / scale_y, float32 as the standard computes it, then float64.
Var rescale(Var a, Var b, Var y) {
  return cast(cast(a, DType::kFloat32) * cast(b, DType::kFloat32) / cast(y, DType::kFloat32), DType::kFloat64);
}

Var one_number(Var v) { return v.rank() == 1 && v.dim(0) == Dim(1) ? reshape(v, {}) : v; }

OnnxValues requantize(NodeCall& call, Var sums, Var factor, size_t zero_point, DType fallback) {
  Var y = cast(sums, DType::kFloat64) * factor;
  const int32_t type = call.has(zero_point) ? type_of(call, zero_point) : onnx_type_of(fallback);
  const std::optional<Range> range = range_of(type);
  if (!range) call.fail("cannot quantise to " + onnx_type_name(type));
  if (call.has(zero_point)) y = y + cast(one_number(call.in(zero_point)), DType::kFloat64);
  return {cast(clip(round(y), range->low, range->high), element_type(type)->dtype)};
}

OnnxValues import_qlinear_matmul(NodeCall& call) {
  const auto scale = [&](size_t i, bool row) {
    const Var s = one_number(call.in(i));
    return s.rank() == 1 && row ? expand_dims(s, 1) : s;
  };
  const Var sums = exact_matmul(shifted(call, 0, 2, true), shifted(call, 3, 5, false));
  return requantize(call, sums, rescale(scale(1, true), scale(4, false), scale(6, true)), 7, call.dtype(0));
}

// ---- convolutions of integers

// x less its zero point, in int32; one number, or one for each element of `axis`.
Var shifted_along(NodeCall& call, size_t i, size_t zero_point, int64_t axis) {
  const Var x = cast(call.in(i), DType::kInt32);
  if (!call.has(zero_point)) return x;
  const Var z = one_number(cast(call.in(zero_point), DType::kInt32));
  return x - (z.rank() == 1 ? along_axis(z, axis, x.rank()) : z);
}

OnnxValues import_conv_integer(NodeCall& call) {
  const Convolution c = convolution_of(call, shifted_along(call, 0, 2, 1), shifted_along(call, 1, 3, 0));
  return {exact_conv(c.x, c.kernel, c.window, c.groups)};
}

OnnxValues import_qlinear_conv(NodeCall& call) {
  const Convolution c = convolution_of(call, shifted_along(call, 0, 2, 1), shifted_along(call, 3, 5, 0));
  Var sums = exact_conv(c.x, c.kernel, c.window, c.groups);
  if (call.has(8)) sums = add_bias(call, sums, cast(call.in(8), DType::kInt32));
  Var scale = one_number(call.in(4));
  if (scale.rank() == 1) scale = along_axis(scale, 1, sums.rank());
  return requantize(call, sums, rescale(one_number(call.in(1)), scale, one_number(call.in(6))), 7, call.dtype(0));
}

constexpr OpRow kQuantizeRows[] = {
    {"QuantizeLinear", 10, import_quantize_linear},
    {"DequantizeLinear", 10, import_dequantize_linear},
    {"DynamicQuantizeLinear", 11, import_dynamic_quantize_linear},
    {"MatMulInteger", 10, import_matmul_integer},
    {"QLinearMatMul", 10, import_qlinear_matmul},
    {"ConvInteger", 10, import_conv_integer},
    {"QLinearConv", 10, import_qlinear_conv},
};

}  // namespace

std::span<const OpRow> onnx_rows_quantize() { return kQuantizeRows; }

}  // namespace dl::onnx
