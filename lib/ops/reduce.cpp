#include <algorithm>

#include "ops/builders.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

std::vector<AttrSpec> reduce_attrs() { return {{"axes", Ints{}, true}, {"keepdims", int64_t{0}}}; }

std::vector<TensorType> infer_reduce(const InferCall& call) {
  const Shape& in = call.inputs[0].shape;
  const Ints& axes = call.attrs.integers("axes");
  Shape shape;
  for (int64_t i = 0; i < static_cast<int64_t>(in.size()); ++i) {
    if (!std::binary_search(axes.begin(), axes.end(), i))
      shape.push_back(in[static_cast<size_t>(i)]);
    else if (call.attrs.flag("keepdims"))
      shape.push_back(1);
  }
  return {{call.inputs[0].dtype, std::move(shape)}};
}

// A reduced value, spread over the operand's shape again.
Var spread(const GradCall& call, Var reduced) {
  const Shape& in = call.inputs[0].shape();
  Shape kept = in;
  for (int64_t axis : call.attrs.integers("axes")) kept[static_cast<size_t>(axis)] = 1;
  return broadcast_to(reshape(reduced, kept), in);
}

// Of maximum and minimum: equal extremes share the gradient, as in Keras.
std::vector<Var> extreme_grad(const GradCall& call) {
  const Var x = call.inputs[0];
  const Var hit = cast(equal(x, spread(call, call.outputs[0])), x.dtype());
  const Ints& axes = call.attrs.integers("axes");
  const Var count = axes.empty() ? hit : reduce_sum(hit, axes, call.attrs.flag("keepdims"));  // to the builder no axes are all
  return {hit * spread(call, call.douts[0] / count)};
}

double reduce_flops(const CostCall& call) { return static_cast<double>(element_count(call.inputs[0].shape).value()); }

std::vector<Sample> reduce_samples() {
  return {{{{kF, {5}}}, {{"axes", Ints{0}}}},
          {{{kF, {2, 3, 4}}}, {{"axes", Ints{1}}}},
          {{{kF, {2, 3, 4}}}, {{"axes", Ints{0, 2}}, {"keepdims", int64_t{1}}}},
          {{{kF, {3, 70}}}, {{"axes", Ints{1}}}},
          {{{kF, {70, 3}}}, {{"axes", Ints{0}}}},
          {{{kF, {2, 3}}}, {{"axes", Ints{}}}},
          {{{kF, {1, 4}}}, {{"axes", Ints{0, 1}}}}};
}

std::vector<Sample> sum_samples() {
  std::vector<Sample> samples = reduce_samples();
  samples.push_back({{{kF, {0, 3}}}, {{"axes", Ints{0}}}});  // an empty sum is 0; an empty maximum does not exist
  return samples;
}

Var reduce(const OpDef& op, Var x, Ints axes, bool keepdims) {
  if (axes.empty())
    for (int64_t i = 0; i < x.rank(); ++i) axes.push_back(i);
  axes = normalize_axes(std::move(axes), x.rank(), op.name);
  if (axes.empty()) return x;
  return add_op(op, {x}, {{"axes", std::move(axes)}, {"keepdims", int64_t{keepdims}}});
}

}  // namespace

const OpDef op_reduce_sum = {
    .name = "reduce_sum",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = reduce_attrs(),
    .infer = infer_reduce,
    .grad = [](const GradCall& call) -> std::vector<Var> { return {spread(call, call.douts[0])}; },
    .flops = reduce_flops,
    .samples = sum_samples,
};
const OpDef op_reduce_max = {.name = "reduce_max",
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .attrs = reduce_attrs(),
                             .infer = infer_reduce,
                             .grad = extreme_grad,
                             .flops = reduce_flops,
                             .samples = reduce_samples};
const OpDef op_reduce_min = {.name = "reduce_min",
                             .min_inputs = 1,
                             .max_inputs = 1,
                             .attrs = reduce_attrs(),
                             .infer = infer_reduce,
                             .grad = extreme_grad,
                             .flops = reduce_flops,
                             .samples = reduce_samples};
const OpDef op_reduce_prod = {
    .name = "reduce_prod",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = reduce_attrs(),
    .infer = infer_reduce,
    // Not right where an element is 0 (0/0): use a product of slices there.
    .grad = [](const GradCall& call) -> std::vector<Var> { return {spread(call, call.douts[0] * call.outputs[0]) / call.inputs[0]}; },
    .flops = reduce_flops,
    .samples = sum_samples,
};

Var reduce_sum(Var x, Ints axes, bool keepdims) { return reduce(op_reduce_sum, x, std::move(axes), keepdims); }
Var reduce_max(Var x, Ints axes, bool keepdims) { return reduce(op_reduce_max, x, std::move(axes), keepdims); }
Var reduce_min(Var x, Ints axes, bool keepdims) { return reduce(op_reduce_min, x, std::move(axes), keepdims); }
Var reduce_prod(Var x, Ints axes, bool keepdims) { return reduce(op_reduce_prod, x, std::move(axes), keepdims); }

Var reduce_mean(Var x, Ints axes, bool keepdims) {
  if (axes.empty())
    for (int64_t i = 0; i < x.rank(); ++i) axes.push_back(i);
  const Var sum = reduce_sum(x, axes, keepdims);  // first: it checks the axes
  return sum / size_of(x, axes, x.dtype());
}

const OpDef op_arg_max = {
    .name = "arg_max",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = {{"axis", int64_t{0}, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      Shape shape = call.inputs[0].shape;
      shape.erase(shape.begin() + call.attrs.integer("axis"));
      return {{DType::kInt64, std::move(shape)}};
    },
    .no_gradient = "an index",
    .flops = reduce_flops,
    .samples = []() -> std::vector<Sample> {
      return {{{{kF, {5}}}, {{"axis", int64_t{0}}}}, {{{kF, {3, 4, 2}}}, {{"axis", int64_t{1}}}}, {{{kF, {2, 9}}}, {{"axis", int64_t{1}}}}};
    },
};

Var arg_max(Var x, int64_t axis) { return add_op(op_arg_max, {x}, {{"axis", normalize_axis(axis, x.rank(), "arg_max")}}); }

// The number of elements along some axes, as a scalar. It becomes a constant when the shape is bound.
const OpDef op_size_of = {
    .name = "size_of",
    .attrs = {{"size", Shape{}, true}, {"dtype", DType::kFloat32, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      return {{call.attrs.dtype("dtype"), {}}};
    },
    .no_gradient = "a size",
    .samples = []() -> std::vector<Sample> {
      return {{{}, {{"size", Shape{3, 4}}, {"dtype", DType::kFloat32}}}, {{}, {{"size", Shape{7}}, {"dtype", DType::kInt64}}}};
    },
};

Var size_of(Var x, Ints axes, DType dtype) {
  Dim size(1);
  if (axes.empty()) size = element_count(x.shape());
  for (int64_t axis : axes) size = size * x.dim(axis);
  return {x.graph, x.graph->add(op_size_of, {}, {{"size", Shape{size}}, {"dtype", dtype}})};
}

const OpDef op_iota = {
    .name = "iota",
    .attrs = {{"shape", Shape{}, true}, {"dtype", DType::kInt64, true}, {"axis", int64_t{0}, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      return {{call.attrs.dtype("dtype"), call.attrs.shape("shape")}};
    },
    .no_gradient = "no operands",
    .samples = []() -> std::vector<Sample> {
      return {{{}, {{"shape", Shape{4, 3}}, {"dtype", DType::kInt64}, {"axis", int64_t{1}}}},
              {{}, {{"shape", Shape{5}}, {"dtype", kF}, {"axis", int64_t{0}}}},
              {{}, {{"shape", Shape{0, 2}}, {"dtype", DType::kInt32}, {"axis", int64_t{0}}}}};
    },
};

Var iota(Graph& graph, DType dtype, Shape shape, int64_t axis) {
  axis = normalize_axis(axis, static_cast<int64_t>(shape.size()), "iota");
  return {&graph, graph.add(op_iota, {}, {{"shape", std::move(shape)}, {"dtype", dtype}, {"axis", axis}})};
}

}  // namespace dl
