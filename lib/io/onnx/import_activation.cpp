// Activations and other elementwise operators with attributes; Softmax and its like.
#include <limits>

#include "io/onnx/import_util.h"
#include "ops/indexing.h"
#include "ops/nn.h"
#include "ops/ops.h"

namespace dl::onnx {
namespace {

Var negative_part(Var x) { return minimum(x, 0.0); }

OnnxValues import_elu(NodeCall& call) {
  const Var x = call.in(0);
  return {relu(x) + expm1(negative_part(x)) * call.real("alpha", 1)};
}
OnnxValues import_celu(NodeCall& call) {
  const Var x = call.in(0);
  const double alpha = call.real("alpha", 1);
  return {relu(x) + expm1(negative_part(x) / alpha) * alpha};
}
OnnxValues import_selu(NodeCall& call) {
  const Var x = call.in(0);
  const double alpha = call.real("alpha", 1.67326319217681884765625), gamma = call.real("gamma", 1.05070102214813232421875);
  return {(relu(x) + expm1(negative_part(x)) * alpha) * gamma};
}
OnnxValues import_leaky_relu(NodeCall& call) {
  const Var x = call.in(0);
  return {select(less(x, 0.0), x * call.real("alpha", 0.01f), x)};
}
OnnxValues import_prelu(NodeCall& call) {
  const Var x = call.in(0);
  Var slope = call.in(1);
  if (call.opset() < 7 && slope.rank() == 1 && x.rank() > 1)  // one number, or one for each channel
    slope = slope.dim(0) == Dim(1) ? reshape(slope, {}) : along_axis(slope, 1, x.rank());
  return {select(less(x, 0.0), x * broadcast_to(slope, x.shape()), x)};
}
OnnxValues import_thresholded_relu(NodeCall& call) {
  const Var x = call.in(0);
  return {select(greater(x, call.real("alpha", 1)), x, 0.0)};
}
OnnxValues import_hard_sigmoid(NodeCall& call) { return {clip(call.in(0) * call.real("alpha", 0.2f) + call.real("beta", 0.5), 0, 1)}; }
OnnxValues import_hard_swish(NodeCall& call) {
  const Var x = call.in(0);
  return {x * clip(x * (1.0 / 6) + 0.5, 0, 1)};
}
OnnxValues import_softsign(NodeCall& call) {
  const Var x = call.in(0);
  return {x / (abs(x) + 1.0)};
}
OnnxValues import_shrink(NodeCall& call) {
  Var x = call.in(0);
  const DType type = x.dtype();
  if (!is_float(type)) x = cast(x, DType::kFloat64);
  const double bias = call.real("bias", 0), lambda = call.real("lambd", 0.5);
  return {cast(select(less(x, -lambda), x + bias, select(greater(x, lambda), x - bias, 0.0)), type)};
}
OnnxValues import_mish(NodeCall& call) {
  const Var x = call.in(0);
  return {x * tanh(softplus(x))};
}
OnnxValues import_gelu(NodeCall& call) {
  const std::string form = call.text("approximate", "none");
  if (form != "none" && form != "tanh") call.fail("approximate is '" + form + "'; it may be none or tanh");
  return {gelu(call.in(0), form == "tanh")};
}
OnnxValues import_swish(NodeCall& call) {
  const Var x = call.in(0);
  const double alpha = call.real("alpha", 1);
  return {alpha == 1 ? silu(x) : x * sigmoid(x * alpha)};
}

OnnxValues import_clip(NodeCall& call) {
  Var y = call.in(0);
  if (call.opset() < 11) {
    if (call.has_attribute("min")) y = maximum(y, call.real("min"));
    if (call.has_attribute("max")) y = minimum(y, call.real("max"));
    return {y};
  }
  if (call.has(1)) y = maximum(y, reshape(call.in(1), {}));
  if (call.has(2)) y = minimum(y, reshape(call.in(2), {}));
  return {y};
}

// The result has the base's type; where the types differ both are computed in float64.
OnnxValues import_pow(NodeCall& call) {
  const Var a = call.in(0), b = broadcast_operand(call, 1);
  if (a.dtype() == b.dtype() && is_float(a.dtype())) return {pow(a, b)};
  if (is_float(a.dtype()) && !is_float(b.dtype())) return {pow(a, cast(b, a.dtype()))};
  return {cast(pow(cast(a, DType::kFloat64), cast(b, DType::kFloat64)), a.dtype())};
}

OnnxValues import_mod(NodeCall& call) {
  const Var a = call.in(0), b = call.in(1);
  return {call.integer("fmod", 0) ? fmod(a, b) : mod(a, b)};
}

// Before opset 13 the axes from `axis` on are one.
template <class F>
Var over_axis(NodeCall& call, F f) {
  const Var x = call.in(0);
  if (call.opset() >= 13) return f(x, normalize_axis(call.integer("axis", -1), x.rank(), "softmax"));
  const int64_t given = call.integer("axis", 1);
  if (given == x.rank()) call.unsupported("a softmax over no axis");
  const int64_t axis = normalize_axis(given, x.rank(), "softmax");
  if (axis == x.rank() - 1) return f(x, axis);
  Dim inner(1);
  Shape flat;
  for (int64_t i = 0; i < x.rank(); ++i) {
    if (i < axis)
      flat.push_back(x.dim(i));
    else
      inner = inner * x.dim(i);
  }
  flat.push_back(inner);
  return reshape(f(reshape(x, flat), axis), x.shape());
}

OnnxValues import_softmax(NodeCall& call) {
  return {over_axis(call, [](Var x, int64_t axis) { return softmax(x, axis); })};
}
OnnxValues import_log_softmax(NodeCall& call) {
  return {over_axis(call, [](Var x, int64_t axis) { return log_softmax(x, axis); })};
}
OnnxValues import_hardmax(NodeCall& call) {
  return {over_axis(call, [](Var x, int64_t axis) {
    const Var best = expand_dims(arg_max(x, axis), axis);
    return cast(equal(iota(*x.graph, DType::kInt64, x.shape(), axis), best), x.dtype());
  })};
}

OnnxValues import_dropout(NodeCall& call) {
  const Var x = call.in(0);
  if (call.opset() >= 12 && call.has(2)) {
    const bool training = call.int_value(2, "training_mode") != 0;
    const double ratio = call.has(1) ? call.real_value(1, "ratio") : 0.5;
    if (training && ratio != 0) call.unsupported("dropout in training mode, whose result is random");
  }
  if (call.opset() < 7 && call.integer("is_test", 0) == 0) call.unsupported("dropout in training mode, whose result is random");
  const Var mask = call.opset() < 10 ? ones_like(x) : full(*x.graph, {DType::kBool, x.shape()}, 1);
  return {x, mask};
}

constexpr OpRow kActivationRows[] = {
    {"Elu", 1, import_elu},
    {"Celu", 12, import_celu},
    {"Selu", 1, import_selu},
    {"LeakyRelu", 1, import_leaky_relu},
    {"PRelu", 1, import_prelu},
    {"ThresholdedRelu", 10, import_thresholded_relu},
    {"HardSigmoid", 1, import_hard_sigmoid},
    {"HardSwish", 14, import_hard_swish},
    {"Softsign", 1, import_softsign},
    {"Shrink", 9, import_shrink},
    {"Mish", 18, import_mish},
    {"Gelu", 20, import_gelu},
    {"Swish", 24, import_swish},
    {"Clip", 1, import_clip},
    {"Pow", 1, import_pow},
    {"Mod", 10, import_mod},
    {"Softmax", 1, import_softmax},
    {"LogSoftmax", 1, import_log_softmax},
    {"Hardmax", 1, import_hardmax},
    {"Dropout", 1, import_dropout, kAnyType},
};

}  // namespace

std::span<const OpRow> onnx_rows_activation() { return kActivationRows; }

}  // namespace dl::onnx
