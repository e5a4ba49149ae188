// QuantizeLinear and DequantizeLinear, which an imported file comes with and whose pairs runtimes look for.
#include "io/onnx/export_rows.h"
#include "ops/ops.h"

namespace dl::onnx_export {
namespace {

struct Range {
  double low, high;
};
std::optional<Range> range_of(DType type) {
  if (type == DType::kInt8) return Range{-128, 127};
  if (type == DType::kUInt8) return Range{0, 255};
  return std::nullopt;
}

// op(x, y) with y a number: x.
std::optional<Value> bounded(const Emitter& e, Value v, const OpDef& op, double bound) {
  if (!e.is(v, op) || e.number(e.node(v).inputs[1]) != bound) return std::nullopt;
  return e.node(v).inputs[0];
}

// A scale or zero point: one number, or one for each element of an axis.
struct Parameter {
  Value value;
  Dims dims;
  int64_t axis = 0;
};
std::optional<Parameter> parameter_of(const Emitter& e, Value v, const Shape& of) {
  if (!e.is_static(v)) return std::nullopt;
  const Shape& shape = e.shape(v);
  if (shape.empty()) return Parameter{v, {}};
  if (shape.size() != of.size()) return std::nullopt;
  std::optional<Parameter> found;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == Dim(1)) continue;
    if (found || shape[i] != of[i] || !shape[i].known()) return std::nullopt;
    found = Parameter{v, {shape[i].value()}, static_cast<int64_t>(i)};
  }
  return found;
}

// A zero point as a number of the quantised type.
std::optional<Parameter> zero_point(const Emitter& e, Value v, DType type, const Parameter& scale, const Shape& of) {
  if (!e.is(v, op_cast)) return std::nullopt;
  const Value given = e.node(v).inputs[0];
  const auto zero = parameter_of(e, given, of);
  return zero && e.type(given).dtype == type && zero->dims == scale.dims && zero->axis == scale.axis ? zero : std::nullopt;
}

void write(Emitter& e, const char* type, Value x, const Parameter& scale, const std::string& zero, Value self) {
  Names operands = {e.use(x), e.weight(scale.value, scale.dims), zero};
  NodeAttrs attrs;
  if (!scale.dims.empty()) attrs.emplace_back("axis", scale.axis);
  e.result(self, e.op(type, std::move(operands), std::move(attrs)));
}

}  // namespace

bool emit_quantize(Emitter& e, const Node& cast, Value self) {
  const DType type = cast.types[0].dtype;
  const auto range = range_of(type);
  if (!range || e.stored(e.type(cast.inputs[0]).dtype) != DType::kFloat32) return false;
  const auto below = bounded(e, cast.inputs[0], op_minimum, range->high);
  const auto inside = below ? bounded(e, *below, op_maximum, range->low) : std::nullopt;
  if (!inside) return false;
  const bool moved = e.is(*inside, op_add);
  const Value rounded = moved ? e.node(*inside).inputs[0] : *inside;
  if (!e.is(rounded, op_round) || !e.is(e.node(rounded).inputs[0], op_div)) return false;
  const Node& quotient = e.node(e.node(rounded).inputs[0]);
  const Value x = quotient.inputs[0];
  const auto scale = parameter_of(e, quotient.inputs[1], e.shape(x));
  if (!scale || e.shape(x) != e.shape(self)) return false;
  std::string zero;
  if (moved) {
    const auto given = zero_point(e, e.node(*inside).inputs[1], type, *scale, e.shape(x));
    if (!given) return false;
    zero = e.weight(given->value, given->dims);
  } else if (type != DType::kUInt8) {
    if (!scale->dims.empty()) return false;
    zero = e.scalar(type, 0);
  }
  write(e, "QuantizeLinear", x, *scale, zero, self);
  return true;
}

bool emit_dequantize(Emitter& e, const Node& mul, Value self) {
  if (e.stored(mul.types[0].dtype) != DType::kFloat32) return false;
  Value number = mul.inputs[0];
  const bool moved = e.is(number, op_sub);
  if (moved) number = e.node(number).inputs[0];
  if (!e.is(number, op_cast)) return false;
  const Value x = e.node(number).inputs[0];
  const DType type = e.type(x).dtype;
  const auto scale = parameter_of(e, mul.inputs[1], e.shape(x));
  if (!range_of(type) || !scale || e.shape(x) != e.shape(self)) return false;
  std::string zero;
  if (moved) {
    const auto given = zero_point(e, e.node(mul.inputs[0]).inputs[1], type, *scale, e.shape(x));
    if (!given) return false;
    zero = e.weight(given->value, given->dims);
  }
  write(e, "DequantizeLinear", x, *scale, zero, self);
  return true;
}

}  // namespace dl::onnx_export
