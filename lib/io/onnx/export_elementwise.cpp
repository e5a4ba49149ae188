// Operators that work element by element: those of op_names.def under their ONNX name, the others as a few that give the same numbers,
// and compositions for which ONNX has one operator (Elu, LeakyRelu, Clip, HardSigmoid, Softsign).
#include <cmath>
#include <numbers>
#include <vector>

#include "io/onnx/export_rows.h"
#include "ops/ops.h"

namespace dl::onnx_export {
namespace {

void named(Emitter& e, const Node& node, Value self, const char* name) {
  Names operands;
  for (size_t i = 0; i < node.inputs.size(); ++i) operands.push_back(e.use(unspread_operand(e, node, i)));
  e.result(self, e.op(name, std::move(operands)));
}

// ---- patterns

bool is_number(const Emitter& e, Value v, double number) { return e.number(v) == number; }

struct Scaled {
  Value x;
  double number;
};
// v = op(x, number), or op(number, x) where the order does not matter.
std::optional<Scaled> with_number(const Emitter& e, Value v, const OpDef& op) {
  if (!e.is(v, op)) return std::nullopt;
  const Value a = e.node(v).inputs[0], b = e.node(v).inputs[1];
  const bool commutes = &op != &op_sub && &op != &op_div;
  if (const auto number = e.number(b); number && e.shape(v) == e.shape(a)) return Scaled{a, *number};
  if (const auto number = e.number(a); commutes && number && e.shape(v) == e.shape(b)) return Scaled{b, *number};
  return std::nullopt;
}

struct Clipped {
  Value x;
  double low, high;
};
std::optional<Clipped> clipped(const Emitter& e, Value v) {
  const auto outer = with_number(e, v, op_minimum);
  if (!outer) return std::nullopt;
  if (e.is(outer->x, op_relu) && outer->number >= 0) return Clipped{e.node(outer->x).inputs[0], 0, outer->number};
  const auto inner = with_number(e, outer->x, op_maximum);
  if (!inner || inner->number > outer->number) return std::nullopt;
  return Clipped{inner->x, inner->number, outer->number};
}

NodeAttr real(double value) { return static_cast<float>(value); }

// clip(alpha x + beta, 0, 1), also clip(x + 3, 0, 6) / 6.
bool emit_hard_sigmoid(Emitter& e, Value v, Value self) {
  double divisor = 1;
  if (const auto quotient = with_number(e, v, op_div)) v = quotient->x, divisor = quotient->number;
  const auto clip = clipped(e, v);
  if (!clip || clip->low != 0 || clip->high != divisor) return false;
  const auto sum = with_number(e, clip->x, op_add);
  if (!sum) return false;
  double alpha = 1 / divisor;
  Value x = sum->x;
  if (const auto product = with_number(e, x, op_mul)) x = product->x, alpha = product->number / divisor;
  e.result(self, e.op("HardSigmoid", {e.use(x)}, {{"alpha", real(alpha)}, {"beta", real(sum->number / divisor)}}));
  return true;
}

void emit_minimum(Emitter& e, const Node& node, Value self) {
  if (emit_hard_sigmoid(e, self, self)) return;
  if (const auto clip = clipped(e, self)) {
    const DType type = e.type(self).dtype;
    e.result(self, e.op("Clip", {e.use(clip->x), e.scalar(type, clip->low), e.scalar(type, clip->high)}));
    return;
  }
  named(e, node, self, "Min");
}

void emit_div(Emitter& e, const Node& node, Value self) {
  if (emit_mean(e, node, self) || emit_hard_sigmoid(e, self, self)) return;
  const auto sum = with_number(e, node.inputs[1], op_add);
  if (sum && sum->number == 1 && e.is(sum->x, op_abs) && e.node(sum->x).inputs[0] == node.inputs[0]) {
    e.result(self, e.op("Softsign", {e.use(node.inputs[0])}));
    return;
  }
  named(e, node, self, "Div");
}

// alpha expm1(min(x, 0)); alpha, or nullopt.
std::optional<double> exponential_part(const Emitter& e, Value v, Value x) {
  double alpha = 1;
  if (const auto product = with_number(e, v, op_mul)) v = product->x, alpha = product->number;
  if (!e.is(v, op_expm1)) return std::nullopt;
  const Value inner = e.node(v).inputs[0];
  const auto negative = with_number(e, inner, op_minimum);
  const bool same = negative && negative->number == 0 && negative->x == x;
  return same ? std::optional(alpha) : std::nullopt;
}

// relu(x) + alpha expm1(min(x, 0))
bool emit_elu_sum(Emitter& e, const Node& add, Value self) {
  for (size_t i = 0; i < 2; ++i) {
    if (!e.is(add.inputs[i], op_relu)) continue;
    const Value x = e.node(add.inputs[i]).inputs[0];
    const auto alpha = exponential_part(e, add.inputs[1 - i], x);
    if (!alpha || e.shape(self) != e.shape(x)) continue;
    e.result(self, e.op("Elu", {e.use(x)}, {{"alpha", real(*alpha)}}));
    return true;
  }
  return false;
}

void emit_add(Emitter& e, const Node& node, Value self) {
  if (!emit_with_bias(e, node, self) && !emit_elu_sum(e, node, self)) named(e, node, self, "Add");
}

std::optional<double> slope(const Emitter& e, Value v, Value x) {
  const auto product = with_number(e, v, op_mul);
  return product && product->x == x ? std::optional(product->number) : std::nullopt;
}

// x times weights: the negative side of PRelu.
bool emit_slopes(Emitter& e, Value product, Value x, Value self) {
  if (!e.is(product, op_mul)) return false;
  const Node& node = e.node(product);
  for (size_t i = 0; i < 2; ++i) {
    const Value slopes = unspread_operand(e, node, i);
    if (!(node.inputs[1 - i] == x) || !e.is_static(slopes) || e.shape(product) != e.shape(x)) continue;
    e.result(self, e.op("PRelu", {e.use(x), e.use(slopes)}));
    return true;
  }
  return false;
}

bool emit_rectifier(Emitter& e, const Node& node, Value self) {
  const Value condition = node.inputs[0];
  const bool positive = e.is(condition, op_greater), negative = e.is(condition, op_less);
  if ((!positive && !negative) || !is_number(e, e.node(condition).inputs[1], 0)) return false;
  const Value x = e.node(condition).inputs[0], kept = node.inputs[positive ? 1 : 2], other = node.inputs[positive ? 2 : 1];
  if (!(kept == x) || !is_float(e.type(x).dtype) || e.shape(self) != e.shape(x)) return false;
  if (const auto alpha = exponential_part(e, other, x); alpha && positive) {
    e.result(self, e.op("Elu", {e.use(x)}, {{"alpha", real(*alpha)}}));
    return true;
  }
  if (const auto alpha = slope(e, other, x)) {
    e.result(self, e.op("LeakyRelu", {e.use(x)}, {{"alpha", real(*alpha)}}));
    return true;
  }
  return emit_slopes(e, other, x, self);
}

void emit_select(Emitter& e, const Node& node, Value self) {
  const Value condition = node.inputs[0], a = node.inputs[1], b = node.inputs[2];
  if (e.type(self).dtype == DType::kBool && is_number(e, b, 0)) return e.result(self, e.op("And", {e.use(condition), e.use(a)}));
  if (e.type(self).dtype == DType::kBool && is_number(e, a, 1)) return e.result(self, e.op("Or", {e.use(condition), e.use(b)}));
  if (!emit_rectifier(e, node, self)) named(e, node, self, "Where");
}

void emit_equal(Emitter& e, const Node& node, Value self) {
  if (e.type(node.inputs[0]).dtype == DType::kBool)
    for (size_t i = 0; i < 2; ++i)
      if (is_number(e, node.inputs[i], 0) && e.shape(node.inputs[1 - i]) == e.shape(self))
        return e.result(self, e.op("Not", {e.use(node.inputs[1 - i])}));
  named(e, node, self, "Equal");
}

// relu(x) - alpha relu(-x)
void emit_sub(Emitter& e, const Node& node, Value self) {
  const Value left = node.inputs[0], right = node.inputs[1];
  if (e.is(left, op_relu) && e.is(right, op_mul)) {
    const Value x = e.node(left).inputs[0], alpha = e.node(right).inputs[0], other = e.node(right).inputs[1];
    const Value inner = e.is(other, op_relu) ? e.node(other).inputs[0] : x;
    if (e.is(inner, op_neg) && e.node(inner).inputs[0] == x && e.is_static(alpha) && e.shape(self) == e.shape(x))
      return e.result(self, e.op("PRelu", {e.use(x), e.use(alpha)}));
  }
  named(e, node, self, "Sub");
}

// ---- operators that ONNX has not

// The value with a literal of its type, as in code: `k(2)` is the number 2.
struct Terms {
  Emitter& e;
  DType type;
  std::string k(double value) const { return e.scalar(type, value); }
  std::string add(const std::string& a, const std::string& b) const { return e.op("Add", {a, b}); }
  std::string sub(const std::string& a, const std::string& b) const { return e.op("Sub", {a, b}); }
  std::string mul(const std::string& a, const std::string& b) const { return e.op("Mul", {a, b}); }
  std::string div(const std::string& a, const std::string& b) const { return e.op("Div", {a, b}); }
  std::string less(const std::string& a, const std::string& b) const { return e.op("Less", {a, b}); }
  std::string where(const std::string& c, const std::string& a, const std::string& b) const { return e.op("Where", {c, a, b}); }
};

// exp(x) - 1 cancels near 0; there it is 2 t / (1 - t) with t = tanh(x / 2).
void emit_expm1(Emitter& e, const Node& node, Value self) {
  const Terms t{e, e.type(self).dtype};
  const std::string x = e.use(node.inputs[0]);
  const std::string half = e.op("Tanh", {t.mul(x, t.k(0.5))});
  const std::string near = t.div(t.mul(half, t.k(2)), t.sub(t.k(1), half));
  e.result(self, t.where(t.less(e.op("Abs", {x}), t.k(1)), near, t.sub(e.op("Exp", {x}), t.k(1))));
}

// log(1 + x) cancels near 0; there it is 2 artanh(x / (x + 2)).
void emit_log1p(Emitter& e, const Node& node, Value self) {
  const Terms t{e, e.type(self).dtype};
  const std::string x = e.use(node.inputs[0]);
  const std::string near = t.mul(e.op("Atanh", {t.div(x, t.add(x, t.k(2)))}), t.k(2));
  e.result(self, t.where(t.less(e.op("Abs", {x}), t.k(0.5)), near, e.op("Log", {t.add(x, t.k(1))})));
}

// By the angle in the first quadrant; the signs of both operands, also of zeros, choose the quadrant.
void emit_atan2(Emitter& e, const Node& node, Value self) {
  const Terms t{e, e.type(self).dtype};
  const std::string y = e.use(node.inputs[0]), x = e.use(node.inputs[1]);
  const auto negative = [&](const std::string& v) { return e.op("Or", {t.less(v, t.k(0)), t.less(e.op("Reciprocal", {v}), t.k(0))}); };
  const std::string ay = e.op("Abs", {y}), ax = e.op("Abs", {x});
  const std::string inner = t.where(e.op("Equal", {ax, ay}), t.k(std::numbers::pi / 4), e.op("Atan", {t.div(ay, ax)}));
  const std::string angle = t.where(e.op("Equal", {ay, t.k(0)}), t.k(0), inner);
  const std::string upper = t.where(negative(x), t.sub(t.k(std::numbers::pi), angle), angle);
  e.result(self, t.where(negative(y), e.op("Neg", {upper}), upper));
}

void emit_mod(Emitter& e, const Node& node, Value self) {
  if (!is_float(e.type(self).dtype)) return named(e, node, self, "Mod");
  const Terms t{e, e.type(self).dtype};
  const std::string a = e.use(node.inputs[0]), b = e.use(node.inputs[1]);
  e.result(self, t.sub(a, t.mul(b, e.op("Floor", {t.div(a, b)}))));
}

void emit_square(Emitter& e, const Node& node, Value self) {
  const std::string x = e.use(node.inputs[0]);
  e.result(self, e.op("Mul", {x, x}));
}

void emit_rsqrt(Emitter& e, const Node& node, Value self) { e.result(self, e.op("Reciprocal", {e.op("Sqrt", {e.use(node.inputs[0])})})); }

void emit_not_equal(Emitter& e, const Node& node, Value self) {
  e.result(self, e.op("Not", {e.op("Equal", {e.use(node.inputs[0]), e.use(node.inputs[1])})}));
}

void emit_relu_grad(Emitter& e, const Node& node, Value self) {
  const Terms t{e, e.type(self).dtype};
  e.result(self, t.where(e.op("Greater", {e.use(node.inputs[0]), t.k(0)}), e.use(node.inputs[1]), t.k(0)));
}

void emit_mul(Emitter& e, const Node& node, Value self) {
  if (!emit_dequantize(e, node, self)) named(e, node, self, "Mul");
}

void emit_cast(Emitter& e, const Node& node, Value self) {
  if (emit_quantize(e, node, self)) return;
  const DType from = e.stored(e.type(node.inputs[0]).dtype), to = e.stored(e.type(self).dtype);
  const std::string x = e.use(node.inputs[0]);
  e.result(self, from == to ? x : e.op("Cast", {x}, {{"to", int64_t{onnx_type(to)}}}));
}

// The first row of an operator counts: what is special stands before the table.
const std::vector<Row> kElementwiseRows = {
    {&op_add, emit_add},
    {&op_sub, emit_sub},
    {&op_mul, emit_mul},
    {&op_div, emit_div},
    {&op_equal, emit_equal},
    {&op_minimum, emit_minimum},
    {&op_maximum, [](Emitter& e, const Node& node, Value self) { named(e, node, self, "Max"); }},
    {&op_pow, [](Emitter& e, const Node& node, Value self) { named(e, node, self, "Pow"); }},
    {&op_select, emit_select},
    {&op_cast, emit_cast},
    {&op_expm1, emit_expm1},
    {&op_log1p, emit_log1p},
    {&op_atan2, emit_atan2},
    {&op_mod, emit_mod},
    {&op_square, emit_square},
    {&op_rsqrt, emit_rsqrt},
    {&op_not_equal, emit_not_equal},
    {&op_relu_grad, emit_relu_grad},
#define DL_ONNX_UNARY(Name, since, op) {&op_##op, [](Emitter& e, const Node& node, Value self) { named(e, node, self, #Name); }},
#define DL_ONNX_BINARY DL_ONNX_UNARY
#include "io/onnx/op_names.def"
#undef DL_ONNX_UNARY
#undef DL_ONNX_BINARY
};

}  // namespace

Value unspread_operand(const Emitter& e, const Node& node, size_t i) {
  const Value v = node.inputs[i];
  if (!e.is(v, op_broadcast_to)) return v;
  for (size_t k = 0; k < node.inputs.size(); ++k)
    if (k != i && e.shape(node.inputs[k]) == node.types[0].shape) return e.node(v).inputs[0];
  return v;
}

std::span<const Row> elementwise_rows() { return kElementwiseRows; }

}  // namespace dl::onnx_export
