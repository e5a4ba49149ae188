// Operators on the bits of integers, and the remainder of the division that rounds towards zero.
#include "ops/broadcast.h"
#include "ops/builders.h"
#include "ops/indexing.h"
#include "ops/ops.h"

namespace dl {
namespace {

std::vector<TensorType> infer_bits(const InferCall& call) {
  if (!is_integer(call.inputs[0].dtype)) infer_error(call, std::string("takes integers, not ") + name_of(call.inputs[0].dtype));
  if (call.inputs.size() == 1) return {call.inputs[0]};
  if (call.inputs[0].dtype != call.inputs[1].dtype) infer_error(call, "operands must have the same type");
  return {{call.inputs[0].dtype, broadcast_shapes(call, {call.inputs[0].shape, call.inputs[1].shape})}};
}

std::vector<Sample> bits_unary_samples() {
  return {{{{DType::kUInt8, {7}}}, {}, 0, 255}, {{{DType::kInt32, {2, 3}}}, {}, -100, 100}, {{{DType::kInt64, {0}}}}};
}
std::vector<Sample> bits_binary_samples() {
  const DType i32 = DType::kInt32, u8 = DType::kUInt8;
  return {{{{i32, {5}}, {i32, {5}}}, {}, -100, 100}, {{{u8, {2, 3}}, {u8, {3}}}, {}, 0, 255}, {{{i32, {0, 2}}, {i32, {2}}}}};
}
// By 0 to 40: also by the width and more.
std::vector<Sample> shift_samples() {
  const DType u32 = DType::kUInt32, u8 = DType::kUInt8, i8 = DType::kInt8;
  return {{{{u32, {70}}, {u32, {70}}}, {}, 0, 40}, {{{u8, {2, 9}}, {u8, {9}}}, {}, 0, 12}, {{{i8, {6}}, {i8, {}}}, {}, 0, 7}};
}

}  // namespace

#define DL_BITS(NAME, OPERANDS, SAMPLES) \
  const OpDef op_##NAME = {              \
      .name = #NAME,                     \
      .kind = OpKind::kElementwise,      \
      .min_inputs = OPERANDS,            \
      .max_inputs = OPERANDS,            \
      .infer = infer_bits,               \
      .no_gradient = "bits of integers", \
      .samples = SAMPLES,                \
  };
DL_BITS(bitwise_and, 2, bits_binary_samples)
DL_BITS(bitwise_or, 2, bits_binary_samples)
DL_BITS(bitwise_xor, 2, bits_binary_samples)
DL_BITS(bitwise_not, 1, bits_unary_samples)
DL_BITS(shift_left, 2, shift_samples)
DL_BITS(shift_right, 2, shift_samples)
#undef DL_BITS

Var bitwise_and(Var a, Var b) { return add_op(op_bitwise_and, {a, b}); }
Var bitwise_or(Var a, Var b) { return add_op(op_bitwise_or, {a, b}); }
Var bitwise_xor(Var a, Var b) { return add_op(op_bitwise_xor, {a, b}); }
Var bitwise_not(Var x) { return add_op(op_bitwise_not, {x}); }
Var shift_left(Var a, Var b) { return add_op(op_shift_left, {a, b}); }
Var shift_right(Var a, Var b) { return add_op(op_shift_right, {a, b}); }

const OpDef op_fmod = {
    .name = "fmod",
    .kind = OpKind::kElementwise,
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      if (call.inputs[0].dtype != call.inputs[1].dtype) infer_error(call, "operands must have the same type");
      return {{call.inputs[0].dtype, broadcast_shapes(call, {call.inputs[0].shape, call.inputs[1].shape})}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      const Var a = call.inputs[0], b = call.inputs[1], dy = call.douts[0];
      const Var quotient = (a - call.outputs[0]) / b;
      return {sum_to(dy, a.shape()), sum_to(-dy * round(quotient), b.shape())};
    },
    .samples = []() -> std::vector<Sample> {
      const DType f = DType::kFloat32, i = DType::kInt32;
      const Tensor a = Tensor::from<float>({2, 3}, std::vector<float>{5.5f, -5.5f, 7.25f, -0.5f, 3, 1e3f});
      const Tensor b = Tensor::from<float>({3}, std::vector<float>{2, 2, -3.5f});
      const Tensor n = Tensor::from<int32_t>({4}, std::vector<int32_t>{7, -7, 7, -7}),
                   d = Tensor::from<int32_t>({4}, std::vector<int32_t>{3, 3, -3, -3});
      return {{{{f, {2, 3}}, {f, {3}}}, {}, -2, 2, {a, b}}, {{{i, {4}}, {i, {4}}}, {}, -2, 2, {n, d}}};
    },
};

Var fmod(Var a, Var b) { return add_op(op_fmod, {a, b}); }

}  // namespace dl
