// Layer normalisation (Ba et al., 2016): zero mean and unit population variance over some axes, then scale and shift.
#include <algorithm>

#include "ops/builders.h"
#include "ops/infer_checks.h"
#include "ops/nn.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

std::vector<AttrSpec> layer_norm_attrs() {
  return {{"axes", Ints{}, true}, {"epsilon", 1e-3, true}, {"scale", int64_t{0}}, {"center", int64_t{0}}};
}

Shape part_of(const Shape& shape, const Ints& axes) {
  Shape part;
  for (int64_t axis : axes) part.push_back(shape.at(static_cast<size_t>(axis)));
  return part;
}

// Operands: x, [gamma], [beta]; of the gradient: x, [gamma], dy.
std::vector<TensorType> layer_norm_infer(const InferCall& call) {
  check_same_float(call, 0, call.inputs.size());
  const Ints& axes = call.attrs.integers("axes");
  if (axes.empty()) infer_error(call, "needs an axis to normalise over");
  const Shape part = part_of(call.inputs[0].shape, axes);
  const size_t wanted = 1 + static_cast<size_t>(call.attrs.flag("scale")) + static_cast<size_t>(call.attrs.flag("center"));
  DL_CHECK(call.inputs.size() == wanted, "layer_norm: operands do not fit scale and center");
  for (size_t i = 1; i < wanted; ++i) check_shape(call, i, part, i == 1 && call.attrs.flag("scale") ? "gamma" : "beta");
  return {call.inputs[0]};
}

std::vector<TensorType> layer_norm_infer_grad(const InferCall& call) {
  check_same_float(call, 0, call.inputs.size());
  const TensorType &x = call.inputs[0], part = {x.dtype, part_of(x.shape, call.attrs.integers("axes"))};
  const size_t scale = static_cast<size_t>(call.attrs.flag("scale"));
  DL_CHECK(call.inputs.size() == 2 + scale, "layer_norm_grad: operands do not fit scale");
  if (scale) check_shape(call, 1, part.shape, "gamma");
  check_shape(call, 1 + scale, x.shape, "dy");
  std::vector<TensorType> types = {x};
  if (scale) types.push_back(part);
  if (call.attrs.flag("center")) types.push_back(part);
  return types;
}

// gamma or beta, with size 1 on the axes that are not normalised over.
Var align(Var v, Var x, const Ints& axes) {
  Shape shape(static_cast<size_t>(x.rank()), Dim(1));
  for (int64_t axis : axes) shape[static_cast<size_t>(axis)] = x.dim(axis);
  return reshape(v, shape);
}

struct Normalized {
  Var rstd, xhat;
};
Normalized normalize(Var x, const Ints& axes, double epsilon) {
  const Var d = x - reduce_mean(x, axes, true);
  const Var rstd = rsqrt(reduce_mean(d * d, axes, true) + epsilon);
  return {rstd, d * rstd};
}

std::vector<Var> layer_norm_lower_grad(const LowerCall& call) {
  const Ints& axes = call.attrs.integers("axes");
  const bool scale = call.attrs.flag("scale");
  const Var x = call.inputs[0], dy = call.inputs.back();
  const auto [rstd, xhat] = normalize(x, axes, call.attrs.real("epsilon"));
  const Var g = scale ? dy * align(call.inputs[1], x, axes) : dy;
  std::vector<Var> results = {rstd * (g - reduce_mean(g, axes, true) - xhat * reduce_mean(g * xhat, axes, true))};
  Ints others;
  for (int64_t i = 0; i < x.rank(); ++i)
    if (!std::binary_search(axes.begin(), axes.end(), i)) others.push_back(i);
  const auto sum = [&](Var v) { return others.empty() ? v : reduce_sum(v, others); };
  if (scale) results.push_back(sum(dy * xhat));
  if (call.attrs.flag("center")) results.push_back(sum(dy));
  return results;
}

Attrs layer_norm_sample_attrs(Ints axes, bool scale, bool center) {
  return {{"axes", std::move(axes)}, {"epsilon", 1e-3}, {"scale", int64_t{scale}}, {"center", int64_t{center}}};
}

std::vector<Sample> layer_norm_samples() {
  return {{{{kF, {4, 6}}, {kF, {6}}, {kF, {6}}}, layer_norm_sample_attrs({1}, true, true)},
          {{{kF, {4, 6}}}, layer_norm_sample_attrs({1}, false, false)},
          {{{kF, {3, 5}}, {kF, {5}}}, layer_norm_sample_attrs({1}, true, false)},
          {{{kF, {3, 5}}, {kF, {5}}}, layer_norm_sample_attrs({1}, false, true)},
          {{{kF, {2, 3, 4, 5}}, {kF, {4, 5}}, {kF, {4, 5}}}, layer_norm_sample_attrs({2, 3}, true, true)},
          {{{kF, {2, 3, 4}}, {kF, {3}}, {kF, {3}}}, layer_norm_sample_attrs({1}, true, true)},
          {{{kF, {2, 3, 4}}, {kF, {2, 4}}, {kF, {2, 4}}}, layer_norm_sample_attrs({0, 2}, true, true)},
          {{{kF, {3, 1}}, {kF, {1}}, {kF, {1}}}, layer_norm_sample_attrs({1}, true, true)},
          {{{kF, {0, 4}}, {kF, {4}}, {kF, {4}}}, layer_norm_sample_attrs({1}, true, true)},
          {{{kF, {70, 67}}, {kF, {67}}, {kF, {67}}}, layer_norm_sample_attrs({1}, true, true)},
          {{{kF, {5}}, {kF, {5}}, {kF, {5}}}, layer_norm_sample_attrs({0}, true, true)}};
}

std::vector<Sample> layer_norm_grad_samples() {
  std::vector<Sample> result = layer_norm_samples();
  for (Sample& s : result) {
    if (s.attrs.flag("center")) s.inputs.pop_back();
    s.inputs.push_back(s.inputs[0]);
  }
  return result;
}

}  // namespace

const OpDef op_layer_norm = {
    .name = "layer_norm",
    .min_inputs = 1,
    .max_inputs = 3,
    .attrs = layer_norm_attrs(),
    .infer = layer_norm_infer,
    .grad = [](const GradCall& call) -> std::vector<Var> {
      std::vector<Var> operands = {call.inputs[0]};
      if (call.attrs.flag("scale")) operands.push_back(call.inputs[1]);
      operands.push_back(call.douts[0]);
      const Var first = add_op(op_layer_norm_grad, operands, call.attrs);
      std::vector<Var> gradients;
      for (uint32_t i = 0; i < call.inputs.size(); ++i) gradients.push_back(first.output(i));
      return gradients;
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Ints& axes = call.attrs.integers("axes");
      const Var x = call.inputs[0];
      Var y = normalize(x, axes, call.attrs.real("epsilon")).xhat;
      if (call.attrs.flag("scale")) y = y * align(call.inputs[1], x, axes);
      if (call.attrs.flag("center")) y = y + align(call.inputs.back(), x, axes);
      return {y};
    },
    .flops = [](const CostCall& call) { return 8 * static_cast<double>(element_count(call.inputs[0].shape).value()); },
    .samples = layer_norm_samples,
};

// x, [gamma], dy -> dx, [dgamma], [dbeta]
const OpDef op_layer_norm_grad = {
    .name = "layer_norm_grad",
    .min_inputs = 2,
    .max_inputs = 3,
    .attrs = layer_norm_attrs(),
    .infer = layer_norm_infer_grad,
    .lower = layer_norm_lower_grad,
    .flops = [](const CostCall& call) { return 16 * static_cast<double>(element_count(call.inputs[0].shape).value()); },
    .samples = layer_norm_grad_samples,
};

Var layer_norm(Var x, Var gamma, Var beta, std::vector<int64_t> axes, double epsilon) {
  axes = normalize_axes(std::move(axes), x.rank(), "layer_norm");
  std::vector<Var> operands = {x};
  if (gamma.valid()) operands.push_back(gamma);
  if (beta.valid()) operands.push_back(beta);
  return add_op(op_layer_norm, operands,
                {{"axes", std::move(axes)}, {"epsilon", epsilon}, {"scale", int64_t{gamma.valid()}}, {"center", int64_t{beta.valid()}}});
}

}  // namespace dl
