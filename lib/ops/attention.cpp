// Scaled dot-product attention (Vaswani et al., 2017): softmax(q k^T scale) v over [batch, heads, time, depth].
#include "ops/broadcast.h"
#include "ops/builders.h"
#include "ops/infer_checks.h"
#include "ops/nn.h"
#include "ops/ops.h"
#include "ops/samples.h"

namespace dl {
namespace {

// Keras's Softmax layer; masked scores vanish exactly. Rows without any unmasked key give zeros.
constexpr double kMasked = -1e9;

std::vector<TensorType> attention_infer(const InferCall& call) {
  check_same_float(call, 0, 3);
  const Shape &q = call.inputs[0].shape, &k = call.inputs[1].shape, &v = call.inputs[2].shape;
  if (q.size() != 4 || k.size() != 4 || v.size() != 4) infer_error(call, "query, key and value need the axes [batch, heads, time, depth]");
  const bool fits = q[0] == k[0] && q[1] == k[1] && q[3] == k[3] && k[0] == v[0] && k[1] == v[1] && k[2] == v[2];
  if (!fits) infer_error(call, "batch, heads, key depth and key time must agree");
  if (call.inputs.size() > 3) {
    if (call.inputs[3].dtype != DType::kBool) infer_error(call, "the mask must be bool");
    const Shape scores = {q[0], q[1], q[2], k[2]};
    if (broadcast_shapes(call, {call.inputs[3].shape, scores}) != scores)
      infer_error(call, "the mask does not broadcast to " + to_string(scores));
  }
  return {{call.inputs[0].dtype, {q[0], q[1], q[2], v[3]}}};
}

std::vector<Sample> attention_samples() {
  const DType b = DType::kBool;
  const Attrs scale = {{"scale", 0.5}};
  return {{{{kF, {2, 2, 3, 4}}, {kF, {2, 2, 5, 4}}, {kF, {2, 2, 5, 3}}}, scale},
          {{{kF, {1, 1, 1, 1}}, {kF, {1, 1, 1, 1}}, {kF, {1, 1, 1, 1}}}, scale},
          {{{kF, {2, 1, 3, 4}}, {kF, {2, 1, 3, 4}}, {kF, {2, 1, 3, 4}}, {b, {2, 1, 3, 3}}}, scale},
          {{{kF, {2, 3, 4, 2}}, {kF, {2, 3, 5, 2}}, {kF, {2, 3, 5, 2}}, {b, {2, 1, 1, 5}}}, scale},
          {{{kF, {2, 2, 4, 2}}, {kF, {2, 2, 4, 2}}, {kF, {2, 2, 4, 2}}, {b, {4, 4}}}, scale},
          {{{kF, {0, 2, 3, 4}}, {kF, {0, 2, 3, 4}}, {kF, {0, 2, 3, 4}}}, scale}};
}

}  // namespace

// q, k, v, [mask]
const OpDef op_attention = {
    .name = "attention",
    .min_inputs = 3,
    .max_inputs = 4,
    .attrs = {{"scale", 1.0, true}},
    .infer = attention_infer,
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      Var scores = matmul(call.inputs[0] * call.attrs.real("scale"), call.inputs[1], false, true);
      const bool masked = call.inputs.size() > 3;
      if (masked) scores = select(call.inputs[3], scores, kMasked);
      Var weights = softmax(scores);
      if (masked) weights = select(call.inputs[3], weights, 0.0);
      return {matmul(weights, call.inputs[2])};
    },
    .flops =
        [](const CostCall& call) {
          const Shape &q = call.inputs[0].shape, &v = call.inputs[2].shape;
          const double scores = static_cast<double>((q[0] * q[1] * q[2] * v[2]).value());
          return scores * (2 * static_cast<double>((q[3] + v[3]).value()) + 5);
        },
    .samples = attention_samples,
};

Var attention(Var q, Var k, Var v, Var mask, double scale) {
  std::vector<Var> operands = {q, k, v};
  if (mask.valid()) operands.push_back(mask);
  return add_op(op_attention, operands, {{"scale", scale}});
}

}  // namespace dl
