#include "ops/builders.h"
#include "ops/ops.h"

namespace dl {

const OpDef op_cast = {
    .name = "cast",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = {{"dtype", DType::kFloat32, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      return {{call.attrs.dtype("dtype"), call.inputs[0].shape}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      if (!is_float(call.inputs[0].dtype()) || !is_float(call.outputs[0].dtype())) return {Var{}};
      return {cast(call.douts[0], call.inputs[0].dtype())};
    },
    .samples = []() -> std::vector<Sample> {
      return {
          {{{DType::kFloat32, {5}}}, {{"dtype", DType::kFloat64}}},
          {{{DType::kFloat32, {2, 3}}}, {{"dtype", DType::kBFloat16}}, -2, 2, {}, false},  // rounding: not differentiable by differences
          {{{DType::kBFloat16, {9}}}, {{"dtype", DType::kFloat32}}, -2, 2, {}, false},
          {{{DType::kFloat32, {4}}}, {{"dtype", DType::kInt32}}, -9, 9, {}, false},  // integers have no gradient
          {{{DType::kInt64, {4}}}, {{"dtype", DType::kFloat32}}, -9, 9, {}, false},
          {{{DType::kUInt8, {4}}}, {{"dtype", DType::kFloat32}}, 0, 255, {}, false},
          {{{DType::kFloat32, {0}}}, {{"dtype", DType::kBool}}, -1, 1, {}, false},
      };
    },
};

Var cast(Var x, DType dtype) { return x.dtype() == dtype ? x : add_op(op_cast, {x}, {{"dtype", dtype}}); }

const OpDef op_stop_gradient = {
    .name = "stop_gradient",
    .kind = OpKind::kView,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = [](const InferCall& call) -> std::vector<TensorType> { return {call.inputs[0]}; },
    .grad = [](const GradCall&) -> std::vector<Var> { return {Var{}}; },
    .samples = []() -> std::vector<Sample> {
      return {{{{DType::kFloat32, {3, 2}}}, {}, -2, 2, {}, false}};
    },  // by definition not the difference quotient
};

Var stop_gradient(Var x) { return add_op(op_stop_gradient, {x}); }

}  // namespace dl
