#include "ops/broadcast.h"
#include "ops/builders.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

std::vector<TensorType> infer_matmul(const InferCall& call) {
  const Shape &a = call.inputs[0].shape, &b = call.inputs[1].shape;
  if (call.inputs[0].dtype != call.inputs[1].dtype) infer_error(call, "operands must have the same type");
  if (a.size() < 2 || b.size() < 2) infer_error(call, "operands need at least two axes");
  const bool ta = call.attrs.flag("transpose_a"), tb = call.attrs.flag("transpose_b");
  const Dim m = a[a.size() - (ta ? 1 : 2)], ka = a[a.size() - (ta ? 2 : 1)];
  const Dim kb = b[b.size() - (tb ? 1 : 2)], n = b[b.size() - (tb ? 2 : 1)];
  if (!(ka == kb)) infer_error(call, "inner sizes differ: " + to_string(ka) + " against " + to_string(kb));
  Shape shape = broadcast_shapes(call, {Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2)});
  shape.push_back(m);
  shape.push_back(n);
  return {{call.inputs[0].dtype, std::move(shape)}};
}

// With A' = op(A), B' = op(B): dA' = dC B'^T, dB' = A'^T dC; transposed operands take the transposed product.
std::vector<Var> matmul_grad(const GradCall& call) {
  const Var a = call.inputs[0], b = call.inputs[1], dy = call.douts[0];
  const bool ta = call.attrs.flag("transpose_a"), tb = call.attrs.flag("transpose_b");
  const Var da = ta ? matmul(b, dy, tb, true) : matmul(dy, b, false, !tb);
  const Var db = tb ? matmul(dy, a, true, ta) : matmul(a, dy, !ta, false);
  return {sum_to(da, a.shape()), sum_to(db, b.shape())};
}

double matmul_flops(const CostCall& call) {
  const Shape& a = call.inputs[0].shape;
  const double inner = static_cast<double>(a[a.size() - (call.attrs.flag("transpose_a") ? 2 : 1)].value());
  return 2 * inner * static_cast<double>(element_count(call.outputs[0].shape).value());
}

std::vector<Sample> matmul_samples() {
  const auto t = [](bool ta, bool tb) { return Attrs{{"transpose_a", int64_t{ta}}, {"transpose_b", int64_t{tb}}}; };
  return {{{{kF, {2, 3}}, {kF, {3, 4}}}, t(false, false)},    {{{kF, {3, 2}}, {kF, {3, 4}}}, t(true, false)},
          {{{kF, {2, 3}}, {kF, {4, 3}}}, t(false, true)},     {{{kF, {3, 2}}, {kF, {4, 3}}}, t(true, true)},
          {{{kF, {2, 5, 3}}, {kF, {3, 4}}}, t(false, false)}, {{{kF, {2, 1, 2, 3}}, {kF, {3, 4, 3}}}, t(false, true)},
          {{{kF, {1, 1}}, {kF, {1, 1}}}, t(false, false)},    {{{kF, {0, 3}}, {kF, {3, 2}}}, t(false, false)},
          {{{kF, {2, 0}}, {kF, {0, 3}}}, t(false, false)},    {{{kF, {17, 33}}, {kF, {33, 19}}}, t(false, false)}};
}

}  // namespace

const OpDef op_matmul = {
    .name = "matmul",
    .min_inputs = 2,
    .max_inputs = 2,
    .attrs = {{"transpose_a", int64_t{0}}, {"transpose_b", int64_t{0}}},
    .infer = infer_matmul,
    .grad = matmul_grad,
    .flops = matmul_flops,
    .samples = matmul_samples,
};

Var matmul(Var a, Var b, bool transpose_a, bool transpose_b) {
  return add_op(op_matmul, {a, b}, {{"transpose_a", int64_t{transpose_a}}, {"transpose_b", int64_t{transpose_b}}});
}

}  // namespace dl
