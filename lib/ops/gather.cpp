#include "ops/builders.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

void check_indices(const InferCall& call) {
  const DType type = call.inputs[1].dtype;
  if (type != DType::kInt32 && type != DType::kInt64) infer_error(call, "indices must be int32 or int64");
}

}  // namespace

const OpDef op_gather = {
    .name = "gather",
    .min_inputs = 2,
    .max_inputs = 2,
    .attrs = {{"axis", int64_t{0}, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_indices(call);
      const int64_t axis = call.attrs.integer("axis");
      const Shape &x = call.inputs[0].shape, &at = call.inputs[1].shape;
      Shape shape(x.begin(), x.begin() + axis);
      shape.insert(shape.end(), at.begin(), at.end());
      shape.insert(shape.end(), x.begin() + axis + 1, x.end());
      return {{call.inputs[0].dtype, std::move(shape)}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      const int64_t axis = call.attrs.integer("axis");
      return {scatter_add(call.douts[0], call.inputs[1], call.inputs[0].dim(axis), axis), Var{}};
    },
    .samples = []() -> std::vector<Sample> {
      const DType i = DType::kInt64;
      return {{{{kF, {5, 3}}, {i, {4}}}, {{"axis", int64_t{0}}}, -2, 2, {{}, index_tensor({4}, {4, 0, 4, 2})}},
              {{{kF, {2, 3, 2}}, {i, {2, 2}}}, {{"axis", int64_t{1}}}, -2, 2, {{}, index_tensor({2, 2}, {0, 2, 2, 1})}},
              {{{kF, {3}}, {i, {}}}, {{"axis", int64_t{0}}}, -2, 2, {{}, index_tensor({}, {1})}},
              {{{kF, {3, 2}}, {i, {0}}}, {{"axis", int64_t{0}}}, -2, 2, {{}, index_tensor({0}, {})}}};
    },
};

Var gather(Var x, Var at, int64_t axis) { return add_op(op_gather, {x, at}, {{"axis", normalize_axis(axis, x.rank(), "gather")}}); }

const OpDef op_scatter_add = {
    .name = "scatter_add",
    .min_inputs = 2,
    .max_inputs = 2,
    .attrs = {{"axis", int64_t{0}, true}, {"size", Shape{}, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_indices(call);
      const int64_t axis = call.attrs.integer("axis");
      const Shape &x = call.inputs[0].shape, &at = call.inputs[1].shape;
      const auto end = axis + static_cast<int64_t>(at.size());
      if (static_cast<int64_t>(x.size()) < end || Shape(x.begin() + axis, x.begin() + end) != at)
        infer_error(call, "updates do not have the indices' shape at axis " + std::to_string(axis));
      Shape shape(x.begin(), x.begin() + axis);
      shape.push_back(call.attrs.shape("size").at(0));
      shape.insert(shape.end(), x.begin() + end, x.end());
      return {{call.inputs[0].dtype, std::move(shape)}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      return {gather(call.douts[0], call.inputs[1], call.attrs.integer("axis")), Var{}};
    },
    .flops = [](const CostCall& call) { return static_cast<double>(element_count(call.inputs[0].shape).value()); },
    .samples = []() -> std::vector<Sample> {
      const DType i = DType::kInt64;
      return {
          {{{kF, {4, 3}}, {i, {4}}}, {{"axis", int64_t{0}}, {"size", Shape{5}}}, -2, 2, {{}, index_tensor({4}, {4, 0, 4, 2})}},
          {{{kF, {2, 2, 2, 2}}, {i, {2, 2}}}, {{"axis", int64_t{1}}, {"size", Shape{3}}}, -2, 2, {{}, index_tensor({2, 2}, {0, 2, 2, 1})}},
          {{{kF, {}}, {i, {}}}, {{"axis", int64_t{0}}, {"size", Shape{2}}}, -2, 2, {{}, index_tensor({}, {1})}}};
    },
};

Var scatter_add(Var updates, Var at, Dim size, int64_t axis) {
  return add_op(op_scatter_add, {updates, at}, {{"axis", axis}, {"size", Shape{size}}});
}

Var one_hot(Var at, Dim depth, DType dtype) {
  Shape shape(static_cast<size_t>(at.rank()), Dim(1));
  shape.push_back(depth);
  return cast(equal(expand_dims(at, -1), iota(*at.graph, at.dtype(), shape, -1)), dtype);
}

}  // namespace dl
