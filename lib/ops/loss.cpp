// Cross entropies fused with their softmax or sigmoid: stable for any logits, with gradients in closed form.
#include <limits>

#include "ops/builders.h"
#include "ops/infer_checks.h"
#include "ops/nn.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

Shape without_last(const Shape& shape) { return Shape(shape.begin(), shape.end() - 1); }

void check_logits(const InferCall& call) {
  if (!is_float(call.inputs[0].dtype)) infer_error(call, "logits must hold floats");
  if (call.inputs[0].shape.empty()) infer_error(call, "logits need a class axis");
}

void check_dense(const InferCall& call) {
  check_logits(call);
  check_same_float(call, 0, call.inputs.size());
  check_shape(call, 1, call.inputs[0].shape, "target probabilities");
}

void check_sparse(const InferCall& call) {
  check_logits(call);
  const DType type = call.inputs[1].dtype;
  if (type != DType::kInt32 && type != DType::kInt64) infer_error(call, "target indices must be int32 or int64");
  check_shape(call, 1, without_last(call.inputs[0].shape), "target indices");
}

void check_dy(const InferCall& call) {
  if (call.inputs[2].dtype != call.inputs[0].dtype) infer_error(call, "operands must have the same type");
  check_shape(call, 2, without_last(call.inputs[0].shape), "dy");
}

double loss_cost(const CostCall& call) { return 6 * static_cast<double>(element_count(call.inputs[0].shape).value()); }

// ---- target indices

struct Picked {
  Var hit;       // bool, like the logits: the target's class
  Var in_range;  // bool, like the indices
};
Picked pick(Var logits, Var indices) {
  const Dim classes = logits.dim(-1);
  Shape shape(static_cast<size_t>(indices.rank()), Dim(1));
  shape.push_back(classes);
  const Var hit = equal(expand_dims(indices, -1), iota(*logits.graph, indices.dtype(), shape, -1));
  return {hit, logical_and(greater_equal(indices, 0), less(indices, size_of(logits, {-1}, indices.dtype())))};
}

std::vector<Sample> dense_samples() {
  std::vector<Sample> samples;
  for (const Shape& shape : {Shape{4}, Shape{3, 5}, Shape{2, 3, 10}, Shape{0, 3}, Shape{4, 1}, Shape{5, 37}})
    samples.push_back({{{kF, shape}, {kF, shape}}});
  samples.push_back({{{kF, {3, 6}}, {kF, {3, 6}}}, {}, -40, 40});
  return samples;
}

std::vector<Sample> dense_grad_samples() {
  std::vector<Sample> samples = dense_samples();
  for (Sample& s : samples) s.inputs.push_back({kF, without_last(s.inputs[0].shape)});
  return samples;
}

std::vector<Sample> sparse_samples() {
  const DType i = DType::kInt64;
  return {{{{kF, {4}}, {i, {}}}, {}, -2, 2, {{}, index_tensor({}, {3})}},
          {{{kF, {3, 5}}, {i, {3}}}, {}, -2, 2, {{}, index_tensor({3}, {0, 4, 4})}},
          {{{kF, {2, 2, 10}}, {i, {2, 2}}}, {}, -2, 2, {{}, index_tensor({2, 2}, {9, 0, 3, 3})}},
          {{{kF, {0, 3}}, {i, {0}}}, {}, -2, 2, {{}, index_tensor({0}, {})}},
          {{{kF, {2, 37}}, {DType::kInt32, {2}}}, {}, -40, 40, {{}, index_tensor({2}, {36, 1}).cast(DType::kInt32)}},
          {{{kF, {2, 1}}, {i, {2}}}, {}, -2, 2, {{}, index_tensor({2}, {0, 0})}}};
}

std::vector<Sample> sparse_grad_samples() {
  std::vector<Sample> samples = sparse_samples();
  for (Sample& s : samples) {
    s.inputs.push_back({kF, s.inputs[1].shape});
    s.values.push_back({});
  }
  return samples;
}

}  // namespace

const OpDef op_softmax_cross_entropy = {
    .name = "softmax_cross_entropy",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_dense(call);
      return {{call.inputs[0].dtype, without_last(call.inputs[0].shape)}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      const Var logits = call.inputs[0], target = call.inputs[1], dy = call.douts[0];
      return {add_op(op_softmax_cross_entropy_grad, {logits, target, dy}), -log_softmax(logits) * expand_dims(dy, -1)};
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> { return {-reduce_sum(call.inputs[1] * log_softmax(call.inputs[0]), {-1})}; },
    .flops = loss_cost,
    .samples = dense_samples,
};

// (sum(target) softmax(logits) - target) dy; a target that sums to 1 gives the usual softmax - target.
const OpDef op_softmax_cross_entropy_grad = {
    .name = "softmax_cross_entropy_grad",
    .min_inputs = 3,
    .max_inputs = 3,
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_logits(call);
      check_shape(call, 1, call.inputs[0].shape, "target probabilities");
      check_dy(call);
      return {call.inputs[0]};
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Var logits = call.inputs[0], target = call.inputs[1], dy = call.inputs[2];
      return {(softmax(logits) * reduce_sum(target, {-1}, true) - target) * expand_dims(dy, -1)};
    },
    .flops = loss_cost,
    .samples = dense_grad_samples,
};

const OpDef op_sparse_softmax_cross_entropy = {
    .name = "sparse_softmax_cross_entropy",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_sparse(call);
      return {{call.inputs[0].dtype, without_last(call.inputs[0].shape)}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      return {add_op(op_sparse_softmax_cross_entropy_grad, {call.inputs[0], call.inputs[1], call.douts[0]}), Var{}};
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const auto [hit, in_range] = pick(call.inputs[0], call.inputs[1]);
      return {select(in_range, -reduce_sum(select(hit, log_softmax(call.inputs[0]), 0.0), {-1}), kNaN)};
    },
    .flops = loss_cost,
    .samples = sparse_samples,
};

const OpDef op_sparse_softmax_cross_entropy_grad = {
    .name = "sparse_softmax_cross_entropy_grad",
    .min_inputs = 3,
    .max_inputs = 3,
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_sparse(call);
      check_dy(call);
      return {call.inputs[0]};
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Var logits = call.inputs[0];
      const auto [hit, in_range] = pick(logits, call.inputs[1]);
      return {(softmax(logits) - cast(hit, logits.dtype())) * expand_dims(select(in_range, call.inputs[2], kNaN), -1)};
    },
    .flops = loss_cost,
    .samples = sparse_grad_samples,
};

const OpDef op_sigmoid_cross_entropy = {
    .name = "sigmoid_cross_entropy",
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_same_float(call, 0, 2);
      check_shape(call, 1, call.inputs[0].shape, "targets");
      return {call.inputs[0]};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      const Var x = call.inputs[0], target = call.inputs[1], dy = call.douts[0];
      return {(sigmoid(x) - target) * dy, -x * dy};
    },
    // max(x, 0) - x t + log(1 + e^-|x|): no cancellation where the loss is small.
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Var x = call.inputs[0];
      return {relu(x) - x * call.inputs[1] + log1p(exp(-abs(x)))};
    },
    .flops = loss_cost,
    .samples = []() -> std::vector<Sample> {
      std::vector<Sample> samples;
      for (const Shape& shape : {Shape{}, Shape{7}, Shape{3, 5}, Shape{0, 2}, Shape{2, 33}})
        samples.push_back({{{kF, shape}, {kF, shape}}});
      samples.push_back({{{kF, {9}}, {kF, {9}}}, {}, -80, 80});
      return samples;
    },
};

Var softmax_cross_entropy(Var logits, Var target) { return add_op(op_softmax_cross_entropy, {logits, target}); }
Var sparse_softmax_cross_entropy(Var logits, Var target) { return add_op(op_sparse_softmax_cross_entropy, {logits, target}); }
Var sigmoid_cross_entropy(Var logits, Var targets) { return add_op(op_sigmoid_cross_entropy, {logits, targets}); }

}  // namespace dl
