// Batch normalisation over all axes but one. Statistics and parameters may be wider than x (bfloat16 x, float32 gamma).
#include "ops/builders.h"
#include "ops/nn.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

std::vector<AttrSpec> norm_attrs() { return {{"axis", int64_t{-1}, true}, {"epsilon", 1e-3}}; }

void check(const InferCall& call, size_t parameters_end) {
  const TensorType& x = call.inputs[0];
  const int64_t axis = call.attrs.integer("axis");
  if (!is_float(x.dtype)) infer_error(call, "the input must be floating point");
  if (axis < 0 || axis >= static_cast<int64_t>(x.shape.size())) infer_error(call, "axis " + std::to_string(axis) + " does not exist");
  const TensorType expected{call.inputs[1].dtype, {x.shape[static_cast<size_t>(axis)]}};
  if (!is_float(expected.dtype)) infer_error(call, "gamma must be floating point");
  for (size_t i = 1; i < parameters_end; ++i)
    if (!(call.inputs[i] == expected))
      infer_error(call, "operand " + std::to_string(i) + " must be " + to_string(expected) + ", one value per channel");
}

// What the lowerings share: x in the type of the statistics, the reduced axes, and how a vector of channels meets x.
struct BatchNormParts {
  Var x;
  Ints axes;
  Shape channels;

  BatchNormParts(Var input, DType dtype, int64_t axis) : x(cast(input, dtype)), channels(input.shape().size(), Dim(1)) {
    channels[static_cast<size_t>(axis)] = input.dim(axis);
    for (int64_t i = 0; i < input.rank(); ++i)
      if (i != axis) axes.push_back(i);
  }
  Var spread(Var vector) const { return reshape(vector, channels); }
  Var sum(Var v) const { return axes.empty() ? v : reduce_sum(v, axes); }
  Var count() const { return axes.empty() ? scalar(*x.graph, x.dtype(), 1) : size_of(x, axes, x.dtype()); }
};

std::vector<Var> lower_train(const LowerCall& call) {
  const Var gamma = call.inputs[1], beta = call.inputs[2];
  const BatchNormParts p(call.inputs[0], gamma.dtype(), call.attrs.integer("axis"));
  const Var mean = p.sum(p.x) / p.count();
  const Var centered = p.x - p.spread(mean);
  const Var variance = p.sum(square(centered)) / p.count();
  const Var y = centered * p.spread(gamma * rsqrt(variance + call.attrs.real("epsilon"))) + p.spread(beta);
  return {cast(y, call.inputs[0].dtype()), mean, variance};
}

std::vector<Var> grad_train(const GradCall& call) {
  const Var x = call.inputs[0], gamma = call.inputs[1], mean = call.outputs[1], variance = call.outputs[2];
  Var dx, dgamma, dbeta;
  if (call.douts[0].valid()) {
    dx = add_op(op_batch_norm_train_grad, {x, gamma, mean, variance, call.douts[0]}, call.attrs);
    dgamma = dx.output(1), dbeta = dx.output(2);
  }
  const BatchNormParts p(x, gamma.dtype(), call.attrs.integer("axis"));
  const auto accumulate = [&](Var part) { part = cast(broadcast_to(part, x.shape()), x.dtype()), dx = dx.valid() ? dx + part : part; };
  if (call.douts[1].valid()) accumulate(p.spread(call.douts[1] / p.count()));
  if (call.douts[2].valid()) accumulate((p.x - p.spread(mean)) * p.spread(call.douts[2] * 2.0 / p.count()));
  return {dx, dgamma, dbeta};
}

// Mean and variance are operands here: what they owe to x reaches it through the outputs of batch_norm_train.
std::vector<Var> lower_train_grad(const LowerCall& call) {
  const Var gamma = call.inputs[1], mean = call.inputs[2], variance = call.inputs[3];
  const BatchNormParts p(call.inputs[0], gamma.dtype(), call.attrs.integer("axis"));
  const Var dy = cast(call.inputs[4], gamma.dtype());
  const Var scale = rsqrt(variance + call.attrs.real("epsilon"));
  const Var normal = (p.x - p.spread(mean)) * p.spread(scale);
  const Var dbeta = p.sum(dy), dgamma = p.sum(dy * normal);
  const Var dx = p.spread(gamma * scale) * (dy - p.spread(dbeta / p.count()) - normal * p.spread(dgamma / p.count()));
  return {cast(dx, call.inputs[0].dtype()), dgamma, dbeta};
}

std::vector<Var> lower_infer(const LowerCall& call) {
  const Var gamma = call.inputs[1], beta = call.inputs[2], mean = call.inputs[3], variance = call.inputs[4];
  const BatchNormParts p(call.inputs[0], gamma.dtype(), call.attrs.integer("axis"));
  const Var scale = gamma * rsqrt(variance + call.attrs.real("epsilon"));
  return {cast(p.x * p.spread(scale) + p.spread(beta - mean * scale), call.inputs[0].dtype())};
}

struct BatchNormGeometry {
  Shape x;
  int64_t axis;
};

std::vector<BatchNormGeometry> batch_norm_geometries() {
  return {{{2, 3, 3, 4}, 3},  {{3, 5}, 1},        {{2, 3, 4}, 1},       {{2, 4, 2, 3}, 1}, {{4, 1}, 1},
          {{2, 2, 3, 16}, 3}, {{2, 16, 2, 2}, 1}, {{2, 2, 2, 2, 3}, 4}, {{3, 2, 3, 9}, 3}};
}

template <class F>
std::vector<Sample> batch_norm_make_samples(const F& make) {
  std::vector<Sample> samples;
  for (const BatchNormGeometry& g : batch_norm_geometries()) {
    Sample sample = make(TensorType{kF, g.x}, TensorType{kF, {g.x[static_cast<size_t>(g.axis)]}});
    sample.attrs = {{"axis", g.axis}, {"epsilon", 1e-3}};
    samples.push_back(std::move(sample));
  }
  return samples;
}

// Operands that include a variance: positive.
template <class F>
std::vector<Sample> positive_samples(const F& make) {
  std::vector<Sample> samples = batch_norm_make_samples(make);
  for (Sample& s : samples) s.low = 0.25;
  return samples;
}

double per_element(const CostCall& call, double flops) { return flops * static_cast<double>(element_count(call.inputs[0].shape).value()); }

}  // namespace

const OpDef op_batch_norm_train = {
    .name = "batch_norm_train",
    .min_inputs = 3,
    .max_inputs = 3,
    .attrs = norm_attrs(),
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check(call, 3);
      return {call.inputs[0], call.inputs[1], call.inputs[1]};
    },
    .grad = grad_train,
    .lower = lower_train,
    .flops = [](const CostCall& call) { return per_element(call, 7); },
    .samples = [] { return batch_norm_make_samples([](const TensorType& x, const TensorType& c) -> Sample {
                      return {{x, c, c}};
                    }); },
};

const OpDef op_batch_norm_train_grad = {
    .name = "batch_norm_train_grad",
    .min_inputs = 5,
    .max_inputs = 5,
    .attrs = norm_attrs(),
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check(call, 4);
      if (!(call.inputs[4] == call.inputs[0])) infer_error(call, "the gradient must have the input's type and shape");
      return {call.inputs[0], call.inputs[1], call.inputs[1]};
    },
    .lower = lower_train_grad,
    .flops = [](const CostCall& call) { return per_element(call, 11); },
    .samples = [] { return positive_samples([](const TensorType& x, const TensorType& c) -> Sample {
                      return {{x, c, c, c, x}};
                    }); },
};

const OpDef op_batch_norm_infer = {
    .name = "batch_norm_infer",
    .min_inputs = 5,
    .max_inputs = 5,
    .attrs = norm_attrs(),
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check(call, 5);
      return {call.inputs[0]};
    },
    .lower = lower_infer,
    .flops = [](const CostCall& call) { return per_element(call, 2); },
    .samples = [] { return positive_samples([](const TensorType& x, const TensorType& c) -> Sample {
                      return {{x, c, c, c, c}};
                    }); },
};

BatchNorm batch_norm_train(Var x, Var gamma, Var beta, int64_t axis, double epsilon) {
  const Var y =
      add_op(op_batch_norm_train, {x, gamma, beta}, {{"axis", normalize_axis(axis, x.rank(), "batch_norm_train")}, {"epsilon", epsilon}});
  return {y, y.output(1), y.output(2)};
}

Var batch_norm_infer(Var x, Var gamma, Var beta, Var mean, Var variance, int64_t axis, double epsilon) {
  return add_op(op_batch_norm_infer, {x, gamma, beta, mean, variance},
                {{"axis", normalize_axis(axis, x.rank(), "batch_norm_infer")}, {"epsilon", epsilon}});
}

}  // namespace dl
