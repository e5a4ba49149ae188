#include "ops/builders.h"
#include "ops/ops.h"

namespace dl {

// Element i of the result is Philox(seed, stream; counter, i): no state, so any rank, thread count or resume gives the same.
const OpDef op_random_uniform = {
    .name = "random_uniform",
    .kind = OpKind::kRandom,
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = {{"shape", Shape{}, true}, {"dtype", DType::kFloat32, true}, {"seed", int64_t{0}, true}, {"stream", int64_t{0}, true}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      if (call.inputs[0] != TensorType{DType::kInt64, {}}) infer_error(call, "the counter must be an int64 scalar");
      return {{call.attrs.dtype("dtype"), call.attrs.shape("shape")}};
    },
    .no_gradient = "random numbers",
    .samples = []() -> std::vector<Sample> {
      const Tensor step = Tensor::scalar<int64_t>(5);
      return {{{{DType::kInt64, {}}},
               {{"shape", Shape{3, 7}}, {"dtype", DType::kFloat32}, {"seed", int64_t{1}}, {"stream", int64_t{2}}},
               0,
               1,
               {step}},
              {{{DType::kInt64, {}}},
               {{"shape", Shape{0}}, {"dtype", DType::kFloat32}, {"seed", int64_t{1}}, {"stream", int64_t{2}}},
               0,
               1,
               {step}}};
    },
};

Var random_uniform(Var counter, Shape shape, DType dtype, int64_t seed, int64_t stream) {
  return add_op(op_random_uniform, {counter}, {{"shape", std::move(shape)}, {"dtype", dtype}, {"seed", seed}, {"stream", stream}});
}

}  // namespace dl
