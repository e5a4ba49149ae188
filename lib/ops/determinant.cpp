// Determinants of the matrices in the last two axes.
#include "ops/builders.h"
#include "ops/indexing.h"
#include "ops/ops.h"

namespace dl {
namespace {

constexpr int64_t kMaxGradient = 16;  // minors are n^2 matrices

// All minors of [..., n, n] as [..., n, n, n - 1, n - 1]: one gather over the elements.
Var minors(Var x, int64_t n) {
  Tensor at(DType::kInt64, {n, n, n - 1, n - 1});
  int64_t* place = at.data<int64_t>();
  for (int64_t row = 0; row < n; ++row)
    for (int64_t column = 0; column < n; ++column)
      for (int64_t i = 0; i < n - 1; ++i)
        for (int64_t j = 0; j < n - 1; ++j) *place++ = (i + (i >= row)) * n + j + (j >= column);
  Shape flat(x.shape().begin(), x.shape().end() - 2);
  flat.push_back(n * n);
  return gather(reshape(x, flat), constant(*x.graph, at), -1);
}

Var cofactors(Var x, int64_t n) {
  if (n == 1) return ones_like(x);
  Tensor signs(x.dtype(), {n, n});
  for (int64_t i = 0; i < n * n; ++i) signs.set(i, (i / n + i % n) % 2 ? -1 : 1);
  return determinant(minors(x, n)) * constant(*x.graph, signs);
}

}  // namespace

const OpDef op_determinant = {
    .name = "determinant",
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      const Shape& x = call.inputs[0].shape;
      if (!is_float(call.inputs[0].dtype)) infer_error(call, "takes floats");
      if (x.size() < 2 || x[x.size() - 1] != x[x.size() - 2]) infer_error(call, "needs square matrices, not " + to_string(x));
      return {{call.inputs[0].dtype, Shape(x.begin(), x.end() - 2)}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      const Var x = call.inputs[0];
      const Dim n = x.dim(-1);
      if (!n.known() || n.value() > kMaxGradient)
        throw UserError("determinant: no gradient for matrices of size " + to_string(n) + "; up to " + std::to_string(kMaxGradient));
      if (n == Dim(0)) return {zeros_like(x)};
      return {expand_dims(expand_dims(call.douts[0], -1), -1) * cofactors(x, n.value())};
    },
    .samples = []() -> std::vector<Sample> {
      const DType f = DType::kFloat32;
      return {{{{f, {3, 3}}}}, {{{f, {2, 2, 4, 4}}}}, {{{f, {2, 1, 1}}}}, {{{f, {0, 2, 2}}}}, {{{f, {3, 0, 0}}}}};
    },
};

Var determinant(Var x) { return add_op(op_determinant, {x}); }

}  // namespace dl
