// Bits of integers, and questions about floats.
#include <fmt/format.h>

#include <cstring>
#include <limits>

#include "io/onnx/import_util.h"
#include "ops/indexing.h"

namespace dl::onnx {
namespace {

template <Var (*function)(Var, Var)>
OnnxValues import_pair(NodeCall& call) {
  return {function(call.in(0), call.in(1))};
}

OnnxValues import_bitwise_not(NodeCall& call) { return {bitwise_not(call.in(0))}; }

OnnxValues import_bit_shift(NodeCall& call) {
  const std::string direction = call.text("direction");
  if (direction == "LEFT") return {shift_left(call.in(0), call.in(1))};
  if (direction == "RIGHT") return {shift_right(call.in(0), call.in(1))};
  call.fail(fmt::format("direction '{}' is neither LEFT nor RIGHT", direction));
}

OnnxValues import_is_nan(NodeCall& call) {
  const Var x = call.in(0);
  return {not_equal(x, x)};
}

OnnxValues import_is_inf(NodeCall& call) {
  const Var x = call.in(0);
  const double inf = std::numeric_limits<double>::infinity();
  const bool negative = call.integer("detect_negative", 1) != 0, positive = call.integer("detect_positive", 1) != 0;
  if (!is_float(x.dtype())) call.fail("takes floats");
  if (negative && positive) return {equal(abs(x), inf)};
  if (negative || positive) return {equal(x, negative ? -inf : inf)};
  return {full(call.graph(), {DType::kBool, x.shape()}, 0)};
}

// The bits of known numbers as another type of the same width.
OnnxValues import_bit_cast(NodeCall& call) {
  const auto to = static_cast<int32_t>(call.integer("to"));
  const std::optional<ElementType> type = element_type(to);
  if (!type || type->narrow || call.value(0).narrow) call.unsupported("bits as " + onnx_type_name(to));
  const Tensor from = call.concrete(0, "its result");
  if (size_of(from.dtype()) != size_of(type->dtype)) call.fail("the types differ in width");
  Tensor result(type->dtype, from.dims());
  if (from.bytes() > 0) std::memcpy(result.raw(), from.raw(), from.bytes());
  return {OnnxValue(result)};
}

OnnxValues import_det(NodeCall& call) { return {determinant(call.in(0))}; }

constexpr OpRow kBitsRows[] = {
    {"BitwiseAnd", 18, import_pair<bitwise_and>}, {"BitwiseOr", 18, import_pair<bitwise_or>},
    {"BitwiseXor", 18, import_pair<bitwise_xor>}, {"BitwiseNot", 18, import_bitwise_not},
    {"BitShift", 11, import_bit_shift},           {"IsNaN", 9, import_is_nan, kAnyType},
    {"IsInf", 10, import_is_inf, kAnyType},       {"Det", 11, import_det},
    {"BitCast", 26, import_bit_cast, kAnyType},
};

}  // namespace

std::span<const OpRow> onnx_rows_bits() { return kBitsRows; }

}  // namespace dl::onnx
