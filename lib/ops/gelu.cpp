// Gaussian error linear unit, exact and with tanh (Hendrycks and Gimpel, 2016), and silu (swish): x sigmoid(x).
#include <numbers>

#include "ops/builders.h"
#include "ops/infer_checks.h"
#include "ops/nn.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

const double kSqrtHalf = std::numbers::sqrt2 / 2;
const double kSqrtTwoOverPi = std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
constexpr double kCubic = 0.044715;

std::vector<TensorType> infer_same(const InferCall& call) {
  check_same_float(call, 0, call.inputs.size());
  if (call.inputs.size() > 1) check_shape(call, 1, call.inputs[0].shape, "dy");
  return {call.inputs[0]};
}

Var tanh_argument(Var x) { return kSqrtTwoOverPi * (x + kCubic * (x * x * x)); }

// d gelu / dx
Var slope(Var x, bool approximate) {
  if (approximate) {
    const Var t = tanh(tanh_argument(x));
    return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * (kSqrtTwoOverPi * (1.0 + 3 * kCubic * (x * x)));
  }
  const double density = kSqrtHalf * std::numbers::inv_sqrtpi;  // 1 / sqrt(2 pi)
  return 0.5 * (1.0 + erf(x * kSqrtHalf)) + x * (density * exp(-0.5 * (x * x)));
}

std::vector<Sample> samples_of(size_t operands, bool approximate_too) {
  std::vector<Sample> samples;
  for (int64_t approximate = 0; approximate < (approximate_too ? 2 : 1); ++approximate)
    for (const Shape& shape : {Shape{7}, Shape{3, 0, 2}, Shape{}, Shape{2, 33}}) {
      samples.push_back({std::vector<TensorType>(operands, {kF, shape}), {}, -4, 4});
      if (approximate_too) samples.back().attrs = {{"approximate", approximate}};
    }
  return samples;
}

}  // namespace

const OpDef op_gelu = {
    .name = "gelu",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = {{"approximate", int64_t{0}, true}},
    .infer = infer_same,
    .grad = [](const GradCall& call) -> std::vector<Var> {
      return {add_op(op_gelu_grad, {call.inputs[0], call.douts[0]}, {{"approximate", call.attrs.integer("approximate")}})};
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Var x = call.inputs[0];
      return {0.5 * x * (1.0 + (call.attrs.flag("approximate") ? tanh(tanh_argument(x)) : erf(x * kSqrtHalf)))};
    },
    .flops = [](const CostCall& call) { return 8 * static_cast<double>(element_count(call.inputs[0].shape).value()); },
    .samples = [] { return samples_of(1, true); },
};

const OpDef op_gelu_grad = {
    .name = "gelu_grad",
    .min_inputs = 2,
    .max_inputs = 2,
    .attrs = {{"approximate", int64_t{0}, true}},
    .infer = infer_same,
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      return {call.inputs[1] * slope(call.inputs[0], call.attrs.flag("approximate"))};
    },
    .flops = [](const CostCall& call) { return 14 * static_cast<double>(element_count(call.inputs[0].shape).value()); },
    .samples = [] { return samples_of(2, true); },
};

const OpDef op_silu = {
    .name = "silu",
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer_same,
    .grad = [](const GradCall& call) -> std::vector<Var> {
      return {add_op(op_silu_grad, {call.inputs[0], call.douts[0]})};
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> { return {call.inputs[0] * sigmoid(call.inputs[0])}; },
    .flops = [](const CostCall& call) { return 5 * static_cast<double>(element_count(call.inputs[0].shape).value()); },
    .samples = [] { return samples_of(1, false); },
};

const OpDef op_silu_grad = {
    .name = "silu_grad",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer_same,
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Var x = call.inputs[0], s = sigmoid(x);
      return {call.inputs[1] * (s * (1.0 + x * (1.0 - s)))};
    },
    .flops = [](const CostCall& call) { return 8 * static_cast<double>(element_count(call.inputs[0].shape).value()); },
    .samples = [] { return samples_of(2, false); },
};

Var gelu(Var x, bool approximate) { return add_op(op_gelu, {x}, {{"approximate", int64_t{approximate}}}); }
Var silu(Var x) { return add_op(op_silu, {x}); }

}  // namespace dl
