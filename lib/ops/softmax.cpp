// softmax and log_softmax along one axis, and the adjoint of softmax.
#include "ops/builders.h"
#include "ops/infer_checks.h"
#include "ops/nn.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

std::vector<TensorType> infer_softmax(const InferCall& call) {
  check_same_float(call, 0, call.inputs.size());
  if (call.inputs[0].shape.empty()) infer_error(call, "needs at least one axis");
  return {call.inputs[0]};
}

Var less_maximum(Var x, int64_t axis) { return x - reduce_max(x, {axis}, true); }

double count_of(const CostCall& call) { return static_cast<double>(element_count(call.inputs[0].shape).value()); }

std::vector<Sample> softmax_samples() {
  const auto axis = [](int64_t a) { return Attrs{{"axis", a}}; };
  return {{{{kF, {5}}}, axis(0)},       {{{kF, {3, 7}}}, axis(1)}, {{{kF, {4, 1}}}, axis(1)},           {{{kF, {3, 5, 2}}}, axis(1)},
          {{{kF, {2, 3, 2}}}, axis(0)}, {{{kF, {0, 4}}}, axis(1)}, {{{kF, {2, 67}}}, axis(1), -30, 30}, {{{kF, {33, 10}}}, axis(1)}};
}

std::vector<Sample> softmax_grad_samples() {
  const auto axis = [](int64_t a) { return Attrs{{"axis", a}}; };
  std::vector<Sample> samples;
  for (const Sample& s : softmax_samples()) samples.push_back({{s.inputs[0], s.inputs[0]}, axis(s.attrs.integer("axis")), 0, 1});
  return samples;
}

}  // namespace

const OpDef op_softmax = {
    .name = "softmax",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = {{"axis", int64_t{0}, true}},
    .infer = infer_softmax,
    .grad = [](const GradCall& call) -> std::vector<Var> {
      return {add_op(op_softmax_grad, {call.outputs[0], call.douts[0]}, {{"axis", call.attrs.integer("axis")}})};
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const int64_t axis = call.attrs.integer("axis");
      const Var e = exp(less_maximum(call.inputs[0], axis));
      return {e / reduce_sum(e, {axis}, true)};
    },
    .flops = [](const CostCall& call) { return 5 * count_of(call); },
    .samples = softmax_samples,
};

// y (dy - sum(dy y)) from the result y of softmax.
const OpDef op_softmax_grad = {
    .name = "softmax_grad",
    .min_inputs = 2,
    .max_inputs = 2,
    .attrs = {{"axis", int64_t{0}, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_shape(call, 1, call.inputs[0].shape, "dy");
      return infer_softmax(call);
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Var y = call.inputs[0], dy = call.inputs[1];
      return {y * (dy - reduce_sum(dy * y, {call.attrs.integer("axis")}, true))};
    },
    .flops = [](const CostCall& call) { return 4 * count_of(call); },
    .samples = softmax_grad_samples,
};

const OpDef op_log_softmax = {
    .name = "log_softmax",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = {{"axis", int64_t{0}, true}},
    .infer = infer_softmax,
    .grad = [](const GradCall& call) -> std::vector<Var> {
      const Var dy = call.douts[0];
      return {dy - exp(call.outputs[0]) * reduce_sum(dy, {call.attrs.integer("axis")}, true)};
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const int64_t axis = call.attrs.integer("axis");
      const Var d = less_maximum(call.inputs[0], axis);
      return {d - log(reduce_sum(exp(d), {axis}, true))};
    },
    .flops = [](const CostCall& call) { return 5 * count_of(call); },
    .samples = softmax_samples,
};

Var softmax(Var x, int64_t axis) { return add_op(op_softmax, {x}, {{"axis", normalize_axis(axis, x.rank(), "softmax")}}); }
Var log_softmax(Var x, int64_t axis) { return add_op(op_log_softmax, {x}, {{"axis", normalize_axis(axis, x.rank(), "log_softmax")}}); }

}  // namespace dl
