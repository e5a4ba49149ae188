// Single elements picked from, and put to, places along one axis.
#include "ops/builders.h"
#include "ops/indexing.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

void check_places(const InferCall& call) {
  const TensorType &x = call.inputs[0], &at = call.inputs[1];
  if (at.dtype != DType::kInt32 && at.dtype != DType::kInt64) infer_error(call, "indices must be int32 or int64");
  if (x.shape.size() != at.shape.size() || x.shape.empty())
    infer_error(call, "indices of shape " + to_string(at.shape) + " do not have the rank of " + to_string(x.shape));
  for (size_t i = 0; i < x.shape.size(); ++i)
    if (static_cast<int64_t>(i) != call.attrs.integer("axis") && x.shape[i].known() && at.shape[i].known() &&
        at.shape[i].value() > x.shape[i].value())
      infer_error(call, "indices of shape " + to_string(at.shape) + " are longer than " + to_string(x.shape));
}

Tensor places(Dims dims, std::vector<int64_t> values) { return Tensor::from<int64_t>(std::move(dims), values); }

Scatter mode_of(const Attrs& attrs) { return static_cast<Scatter>(attrs.integer("mode")); }

// Of x and the updates. Where a place is hit twice by kReplace, which update counts is not for a gradient to say: all get it.
std::vector<Var> scatter_grad(const GradCall& call) {
  const Var x = call.inputs[0], at = call.inputs[1], updates = call.inputs[2], y = call.outputs[0], dy = call.douts[0];
  const int64_t axis = call.attrs.integer("axis");
  const Var picked = gather_elements(dy, at, axis);
  switch (mode_of(call.attrs)) {
    case Scatter::kAdd:
      return {dy, Var{}, picked};
    case Scatter::kMultiply:
      return {dy * scatter_elements(ones_like(x), at, updates, axis, Scatter::kMultiply), Var{},
              gather_elements(dy * y, at, axis) / updates};
    case Scatter::kMaximum:
    case Scatter::kMinimum:
      return {select(equal(x, y), dy, 0.0), Var{}, select(equal(updates, gather_elements(y, at, axis)), picked, 0.0)};
    default:
      return {scatter_elements(dy, at, zeros_like(updates), axis), Var{}, picked};
  }
}

}  // namespace

const OpDef op_gather_elements = {
    .name = "gather_elements",
    .min_inputs = 2,
    .max_inputs = 2,
    .attrs = {{"axis", int64_t{0}, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_places(call);
      return {{call.inputs[0].dtype, call.inputs[1].shape}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      return {scatter_elements(zeros_like(call.inputs[0]), call.inputs[1], call.douts[0], call.attrs.integer("axis"), Scatter::kAdd),
              Var{}};
    },
    .samples = []() -> std::vector<Sample> {
      const auto axis = [](int64_t a) { return Attrs{{"axis", a}}; };
      return {{{{kF, {5}}, {kI, {4}}}, axis(0), -2, 2, {{}, places({4}, {4, 0, 4, 2})}},
              {{{kF, {3, 2}}, {kI, {2, 2}}}, axis(0), -2, 2, {{}, places({2, 2}, {2, 0, 1, 1})}},
              {{{kF, {2, 3, 2}}, {kI, {1, 4, 2}}}, axis(1), -2, 2, {{}, places({1, 4, 2}, {0, 2, 2, 1, 1, 1, 0, 0})}},
              {{{kF, {3, 2}}, {kI, {0, 2}}}, axis(0), -2, 2, {{}, places({0, 2}, {})}}};
    },
};

Var gather_elements(Var x, Var indices, int64_t axis) {
  return add_op(op_gather_elements, {x, indices}, {{"axis", normalize_axis(axis, x.rank(), "gather_elements")}});
}

const OpDef op_scatter_elements = {
    .name = "scatter_elements",
    .min_inputs = 3,
    .max_inputs = 3,
    .attrs = {{"axis", int64_t{0}, true}, {"mode", int64_t{0}}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_places(call);
      if (call.inputs[2].dtype != call.inputs[0].dtype) infer_error(call, "updates must have the operand's type");
      if (call.inputs[2].shape != call.inputs[1].shape)
        infer_error(call,
                    "updates of shape " + to_string(call.inputs[2].shape) + " do not fit indices of " + to_string(call.inputs[1].shape));
      return {call.inputs[0]};
    },
    .grad = scatter_grad,
    .samples = []() -> std::vector<Sample> {
      const auto attrs = [](int64_t axis, Scatter mode) { return Attrs{{"axis", axis}, {"mode", static_cast<int64_t>(mode)}}; };
      const Tensor distinct = places({2, 2}, {2, 0, 1, 1}), twice = places({1, 4, 2}, {0, 2, 2, 1, 1, 1, 0, 0});
      std::vector<Sample> samples;
      for (const Scatter mode : {Scatter::kReplace, Scatter::kAdd, Scatter::kMultiply, Scatter::kMaximum, Scatter::kMinimum}) {
        samples.push_back({{{kF, {3, 2}}, {kI, {2, 2}}, {kF, {2, 2}}}, attrs(0, mode), 0.3, 2, {{}, distinct}});
        // A place that is replaced twice keeps the last: the first update has no influence, which the gradient does not follow.
        samples.push_back(
            {{{kF, {2, 3, 2}}, {kI, {1, 4, 2}}, {kF, {1, 4, 2}}}, attrs(1, mode), 0.3, 2, {{}, twice}, mode != Scatter::kReplace});
      }
      samples.push_back({{{kF, {3}}, {kI, {0}}, {kF, {0}}}, attrs(0, Scatter::kAdd), -2, 2, {{}, places({0}, {})}});
      return samples;
    },
};

Var scatter_elements(Var x, Var indices, Var updates, int64_t axis, Scatter mode) {
  return add_op(op_scatter_elements, {x, indices, updates},
                {{"axis", normalize_axis(axis, x.rank(), "scatter_elements")}, {"mode", static_cast<int64_t>(mode)}});
}

}  // namespace dl
