#include "graph/op_def.h"
#include "ops/broadcast.h"
#include "ops/builders.h"
#include "ops/ops.h"

namespace dl {
namespace {

std::vector<TensorType> infer_unary(const InferCall& call) {
  if (call.inputs[0].dtype == DType::kBool) infer_error(call, "takes numbers, not booleans");
  return {call.inputs[0]};
}

std::vector<TensorType> infer_binary(const InferCall& call) {
  if (call.inputs[0].dtype != call.inputs[1].dtype) infer_error(call, "operands must have the same type");
  return {{call.inputs[0].dtype, broadcast_shapes(call, {call.inputs[0].shape, call.inputs[1].shape})}};
}

std::vector<TensorType> infer_compare(const InferCall& call) {
  std::vector<TensorType> types = infer_binary(call);
  types[0].dtype = DType::kBool;
  return types;
}

// Ranges keep the functions inside of their domain and away from kinks where differences would lie.
struct Range {
  double low, high;
};
Range range_of(std::string_view name) {
  if (name == "log" || name == "sqrt" || name == "rsqrt" || name == "reciprocal" || name == "pow") return {0.3, 2};
  if (name == "acosh") return {1.2, 3};
  if (name == "asin" || name == "acos" || name == "atanh" || name == "log1p") return {-0.8, 0.8};
  if (name == "div" || name == "mod" || name == "atan2") return {0.4, 2};
  return {-2, 2};
}

std::vector<Sample> elementwise_unary_samples(const char* name, bool differentiable) {
  const auto [low, high] = range_of(name);
  std::vector<Sample> samples;
  for (const Dims& dims : {Dims{7}, Dims{3, 0, 2}, Dims{}, Dims{2, 33}})
    samples.push_back({{{kF, to_shape(dims)}}, {}, low, high, {}, differentiable});
  return samples;
}

std::vector<Sample> elementwise_binary_samples(const char* name, bool differentiable) {
  const auto [low, high] = range_of(name);
  std::vector<Sample> samples;
  const std::vector<std::pair<Dims, Dims>> shapes = {{{5}, {5}},    {{2, 3}, {3}},      {{4, 1, 3}, {2, 1}}, {{}, {3}},
                                                     {{0, 2}, {2}}, {{2, 17}, {2, 17}}, {{3, 1}, {1, 4}}};
  for (const auto& [a, b] : shapes) samples.push_back({{{kF, to_shape(a)}, {kF, to_shape(b)}}, {}, low, high, {}, differentiable});
  return samples;
}

// NONE in the table: no operand gets a gradient.
struct NoGradient {
  operator Var() const { return {}; }  // NOLINT(google-explicit-constructor): stands where a Var is expected
};
constexpr NoGradient NONE{};

Var sum_to_operand(Var gradient, Var operand) { return gradient.valid() ? sum_to(gradient, operand.shape()) : gradient; }

Var like(Var x, double value) { return scalar(*x.graph, x.dtype(), value); }

}  // namespace

#define DL_UNARY(NAME, VALUE, GRAD)                                                                  \
  const OpDef op_##NAME = {                                                                          \
      .name = #NAME,                                                                                 \
      .kind = OpKind::kElementwise,                                                                  \
      .min_inputs = 1,                                                                               \
      .max_inputs = 1,                                                                               \
      .infer = infer_unary,                                                                          \
      .grad = [](const GradCall& call) -> std::vector<Var> {                                         \
        [[maybe_unused]] const Var x = call.inputs[0], y = call.outputs[0], dy = call.douts[0];      \
        return {Var(GRAD)};                                                                          \
      },                                                                                             \
      .samples = [] { return elementwise_unary_samples(#NAME, std::string_view(#GRAD) != "NONE"); }, \
  };                                                                                                 \
  Var NAME(Var x) { return add_op(op_##NAME, {x}); }
#define DL_BINARY(NAME, VALUE, GRAD_A, GRAD_B)                                                                      \
  const OpDef op_##NAME = {                                                                                         \
      .name = #NAME,                                                                                                \
      .kind = OpKind::kElementwise,                                                                                 \
      .min_inputs = 2,                                                                                              \
      .max_inputs = 2,                                                                                              \
      .infer = infer_binary,                                                                                        \
      .grad = [](const GradCall& call) -> std::vector<Var> {                                                        \
        [[maybe_unused]] const Var a = call.inputs[0], b = call.inputs[1], y = call.outputs[0], dy = call.douts[0]; \
        return {sum_to_operand(GRAD_A, a), sum_to_operand(GRAD_B, b)};                                              \
      },                                                                                                            \
      .samples = [] { return elementwise_binary_samples(#NAME, true); },                                            \
  };                                                                                                                \
  Var NAME(Var a, Var b) { return add_op(op_##NAME, {a, b}); }                                                      \
  Var NAME(Var a, double b) { return NAME(a, like(a, b)); }                                                         \
  Var NAME(double a, Var b) { return NAME(like(b, a), b); }
#define DL_COMPARE(NAME, VALUE)                                           \
  const OpDef op_##NAME = {                                               \
      .name = #NAME,                                                      \
      .kind = OpKind::kElementwise,                                       \
      .min_inputs = 2,                                                    \
      .max_inputs = 2,                                                    \
      .infer = infer_compare,                                             \
      .no_gradient = "comparison",                                        \
      .samples = [] { return elementwise_binary_samples(#NAME, false); }, \
  };                                                                      \
  Var NAME(Var a, Var b) { return add_op(op_##NAME, {a, b}); }            \
  Var NAME(Var a, double b) { return NAME(a, like(a, b)); }
#include "ops/elementwise.def"
#include "ops/samples.h"
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE

}  // namespace dl
