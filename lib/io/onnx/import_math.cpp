// Elementwise operators of ONNX that are more than a row of op_names.def: casts, logic, integer arithmetic, variadic sums.
#include <cmath>

#include "io/onnx/import_util.h"
#include "io/onnx/tensor_data.h"
#include "ops/nn.h"
#include "ops/ops.h"

namespace dl::onnx {
namespace {

Var need_bool(NodeCall& call, size_t i) {
  const Var x = call.in(i);
  if (x.dtype() != DType::kBool) call.fail("takes booleans");
  return x;
}

Var need_second_bool(NodeCall& call) {
  need_bool(call, 1);
  return broadcast_operand(call, 1);
}

OnnxValues import_not(NodeCall& call) { return {logical_not(need_bool(call, 0))}; }
OnnxValues import_and(NodeCall& call) { return {logical_and(need_bool(call, 0), need_second_bool(call))}; }
OnnxValues import_or(NodeCall& call) { return {logical_or(need_bool(call, 0), need_second_bool(call))}; }
OnnxValues import_xor(NodeCall& call) { return {not_equal(need_bool(call, 0), need_second_bool(call))}; }
OnnxValues import_where(NodeCall& call) { return {select(need_bool(call, 0), call.in(1), call.in(2))}; }

template <Var (*join)(Var, Var)>
Var join_all(NodeCall& call) {
  if (call.inputs() == 0) call.fail("needs an operand");
  Var y = call.in(0);
  for (size_t i = 1; i < call.inputs(); ++i) y = join(y, call.in(i));
  return y;
}
OnnxValues import_sum(NodeCall& call) { return {join_all<add>(call)}; }
OnnxValues import_max(NodeCall& call) { return {join_all<maximum>(call)}; }
OnnxValues import_min(NodeCall& call) { return {join_all<minimum>(call)}; }
OnnxValues import_mean(NodeCall& call) { return {join_all<add>(call) / static_cast<double>(call.inputs())}; }

// Narrow floats and integers are kept in wider types; what Cast gives is then rounded here, number by number, if it is known.
OnnxValue cast_to(NodeCall& call, int32_t to) {
  const std::optional<ElementType> type = element_type(to);
  if (!type) call.unsupported("a cast to " + onnx_type_name(to));
  if (type->narrow == 0 && call.dtype(0) == type->dtype && call.value(0).narrow == 0) return call.value(0);
  if (type->narrow == 0) return cast(call.in(0), type->dtype);
  const bool is_real = type->dtype == DType::kFloat32;
  Tensor t = call.concrete(0, "a cast to " + onnx_type_name(to)).cast(is_real ? DType::kFloat32 : DType::kInt64).clone();
  if (is_real) {
    const bool saturate = call.integer("saturate", 1) != 0;
    const std::string mode = call.text("round_mode", "up");
    for (int64_t i = 0; i < t.size(); ++i) t.data<float>()[i] = round_to_narrow(t.data<float>()[i], to, saturate, mode);
  } else {
    const int bits = to == 25 || to == 26 ? 2 : 4;
    const bool with_sign = type->dtype == DType::kInt8;
    for (int64_t i = 0; i < t.size(); ++i) {
      int64_t& v = t.data<int64_t>()[i];
      v &= (1 << bits) - 1;
      if (with_sign && v >> (bits - 1)) v -= 1 << bits;
    }
    t = t.cast(type->dtype);
  }
  OnnxValue value(t);
  value.narrow = to;
  return value;
}

OnnxValues import_cast(NodeCall& call) { return {cast_to(call, static_cast<int32_t>(call.integer("to")))}; }
OnnxValues import_cast_like(NodeCall& call) {
  const OnnxValue& like = call.value(1);
  return {cast_to(call, like.narrow ? like.narrow : onnx_type_of(call.dtype(1)))};
}

OnnxValues import_identity(NodeCall& call) { return {call.value(0)}; }

constexpr OpRow kMathRows[] = {
    {"Not", 1, import_not},
    {"And", 1, import_and},
    {"Or", 1, import_or},
    {"Xor", 1, import_xor},
    {"Where", 9, import_where},
    {"Sum", 1, import_sum},
    {"Max", 1, import_max},
    {"Min", 1, import_min},
    {"Mean", 1, import_mean},
    {"Cast", 6, import_cast, kAnyType},
    {"CastLike", 15, import_cast_like, kAnyType},
    {"Identity", 1, import_identity, kAnyType},
};

}  // namespace

std::span<const OpRow> onnx_rows_math() { return kMathRows; }

}  // namespace dl::onnx
