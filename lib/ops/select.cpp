#include "ops/broadcast.h"
#include "ops/builders.h"
#include "ops/ops.h"

namespace dl {

const OpDef op_select = {
    .name = "select",
    .kind = OpKind::kElementwise,
    .min_inputs = 3,
    .max_inputs = 3,
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      if (call.inputs[0].dtype != DType::kBool) infer_error(call, "the condition must be bool");
      if (call.inputs[1].dtype != call.inputs[2].dtype) infer_error(call, "both branches must have the same type");
      return {{call.inputs[1].dtype, broadcast_shapes(call, {call.inputs[0].shape, call.inputs[1].shape, call.inputs[2].shape})}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      const Var condition = call.inputs[0], dy = call.douts[0];
      return {Var{}, sum_to(select(condition, dy, 0.0), call.inputs[1].shape()),
              sum_to(select(condition, 0.0, dy), call.inputs[2].shape())};
    },
    .samples = []() -> std::vector<Sample> {
      const DType f = DType::kFloat32, b = DType::kBool;
      return {{{{b, {5}}, {f, {5}}, {f, {5}}}},
              {{{b, {2, 1}}, {f, {3}}, {f, {}}}},
              {{{b, {}}, {f, {4, 2}}, {f, {2}}}},
              {{{b, {0}}, {f, {0}}, {f, {1}}}}};
    },
};

Var select(Var condition, Var when_true, Var when_false) { return add_op(op_select, {condition, when_true, when_false}); }
Var select(Var condition, Var when_true, double when_false) {
  return select(condition, when_true, scalar(*when_true.graph, when_true.dtype(), when_false));
}
Var select(Var condition, double when_true, Var when_false) {
  return select(condition, scalar(*when_false.graph, when_false.dtype(), when_true), when_false);
}

Var logical_not(Var x) { return equal(x, scalar(*x.graph, DType::kBool, 0)); }
Var logical_and(Var a, Var b) { return select(a, b, scalar(*a.graph, DType::kBool, 0)); }
Var logical_or(Var a, Var b) { return select(a, scalar(*a.graph, DType::kBool, 1), b); }

Var clip(Var x, double low, double high) { return minimum(maximum(x, low), high); }

}  // namespace dl
