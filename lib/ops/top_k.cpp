// The k largest or smallest elements along an axis, sorted, with their places.
#include "ops/builders.h"
#include "ops/indexing.h"
#include "ops/ops.h"

namespace dl {

const OpDef op_top_k = {
    .name = "top_k",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = {{"axis", int64_t{0}, true}, {"k", Shape{}, true}, {"largest", int64_t{1}}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      const auto axis = static_cast<size_t>(call.attrs.integer("axis"));
      const Dim k = call.attrs.shape("k").at(0), size = call.inputs[0].shape.at(axis);
      if (k.known() && (k.value() < 0 || (size.known() && k.value() > size.value())))
        infer_error(call, "k is " + to_string(k) + " of " + to_string(size) + " elements");
      Shape shape = call.inputs[0].shape;
      shape[axis] = k;
      return {{call.inputs[0].dtype, shape}, {DType::kInt64, shape}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      if (!call.douts[0].valid()) return {Var{}};
      return {scatter_elements(zeros_like(call.inputs[0]), call.outputs[1], call.douts[0], call.attrs.integer("axis"))};
    },
    .flops = [](const CostCall& call) { return 8.0 * static_cast<double>(element_count(call.inputs[0].shape).value()); },
    .samples = []() -> std::vector<Sample> {
      const DType f = DType::kFloat32;
      const auto attrs = [](int64_t axis, int64_t k, int64_t largest) {
        return Attrs{{"axis", axis}, {"k", Shape{k}}, {"largest", largest}};
      };
      const Tensor ties = Tensor::from<float>({2, 4}, std::vector<float>{1, 2, 2, 1, 0, 0, 0, -1});
      return {{{{f, {9}}}, attrs(0, 3, 1)},
              {{{f, {2, 7, 3}}}, attrs(1, 7, 0)},
              {{{f, {3, 4}}}, attrs(1, 0, 1)},
              {{{f, {2, 4}}}, attrs(1, 3, 1), -2, 2, {ties}, false},  // equal elements: a kink
              {{{f, {2, 4}}}, attrs(1, 3, 0), -2, 2, {ties}, false},
              {{{DType::kInt64, {5, 2}}}, attrs(0, 2, 1), -50, 50}};
    },
};

TopK top_k(Var x, Dim k, int64_t axis, bool largest) {
  const Var values =
      add_op(op_top_k, {x}, {{"axis", normalize_axis(axis, x.rank(), "top_k")}, {"k", Shape{k}}, {"largest", int64_t{largest}}});
  return {values, values.output(1)};
}

}  // namespace dl
