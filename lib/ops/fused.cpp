#include "ops/fused.h"

#include <algorithm>

#include "ops/builders.h"
#include "ops/ops.h"
#include "ops/samples.h"
#include "ops/window.h"

namespace dl {
namespace {

void check_activation(const InferCall& call) {
  const std::string& name = call.attrs.text("activation");
  if (std::find(std::begin(kFusedActivations), std::end(kFusedActivations), name) == std::end(kFusedActivations))
    infer_error(call, "activation '" + name + "' is not fused");
}

Var activate(Var x, const std::string& name) {
  if (name == "relu") return relu(x);
  if (name == "sigmoid") return sigmoid(x);
  if (name == "tanh") return tanh(x);
  return x;
}

// The attributes of `attrs` that `op` declares.
Attrs only(const OpDef& op, const Attrs& attrs) {
  Attrs kept;
  for (const AttrSpec& spec : op.attrs) kept.set(spec.name, *attrs.find(spec.name));
  return kept;
}

// Types of the plain operator with the first two operands.
TensorType infer_plain(const InferCall& call, const OpDef& op) {
  check_activation(call);
  return op.infer({call.op, call.inputs.first(2), call.attrs})[0];
}

void check_bias(const InferCall& call, Dim channels) {
  const TensorType expected{call.inputs[0].dtype, {channels}};
  if (!(call.inputs[2] == expected)) infer_error(call, "the bias must be " + to_string(expected));
}

// The plain operator's samples, each with a bias and one of the activations in turn. relu is smooth enough for difference
// quotients only away from 0, which a few random samples cannot promise.
std::vector<Sample> with_bias(const OpDef& op) {
  std::vector<Sample> samples = op.samples();
  for (size_t i = 0; i < samples.size(); ++i) {
    Sample& s = samples[i];
    const std::string activation = kFusedActivations[i % std::size(kFusedActivations)];
    Attrs full;
    for (const AttrSpec& spec : op.attrs) full.set(spec.name, s.attrs.has(spec.name) ? *s.attrs.find(spec.name) : spec.value);
    const Shape y = op.infer({op, s.inputs, full})[0].shape;
    const bool channels_first = full.has("channels_first") && full.flag("channels_first");
    s.inputs.push_back({kF, {channels_first ? y[1] : y.back()}});
    s.attrs.set("activation", activation);
    if (activation == "relu") s.differentiable = false;
  }
  return samples;
}

}  // namespace

const OpDef op_conv_bias = {
    .name = "conv_bias",
    .min_inputs = 3,
    .max_inputs = 3,
    .attrs = window_attrs({{"groups", int64_t{1}}, {"activation", std::string("linear")}}),
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      const TensorType y = infer_plain(call, op_conv);
      check_bias(call, y.shape[channel_axis(call.attrs, y.shape.size())]);
      return {y};
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Var y = add_op(op_conv, {call.inputs[0], call.inputs[1]}, only(op_conv, call.attrs));
      Shape channels(y.shape().size(), Dim(1));
      channels[channel_axis(call.attrs, channels.size())] = call.inputs[2].dim(0);
      return {activate(y + reshape(call.inputs[2], channels), call.attrs.text("activation"))};
    },
    .flops =
        [](const CostCall& call) { return op_conv.flops(call) + 2 * static_cast<double>(element_count(call.outputs[0].shape).value()); },
    .samples = [] { return with_bias(op_conv); },
};

const OpDef op_matmul_bias = {
    .name = "matmul_bias",
    .min_inputs = 3,
    .max_inputs = 3,
    .attrs = {{"transpose_a", int64_t{0}}, {"transpose_b", int64_t{0}}, {"activation", std::string("linear")}},
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      const TensorType y = infer_plain(call, op_matmul);
      check_bias(call, y.shape.back());
      return {y};
    },
    .lower = [](const LowerCall& call) -> std::vector<Var> {
      const Var y = add_op(op_matmul, {call.inputs[0], call.inputs[1]}, only(op_matmul, call.attrs));
      return {activate(y + call.inputs[2], call.attrs.text("activation"))};
    },
    .flops =
        [](const CostCall& call) { return op_matmul.flops(call) + 2 * static_cast<double>(element_count(call.outputs[0].shape).value()); },
    .samples = [] { return with_bias(op_matmul); },
};

Var conv_bias(Var x, Var kernel, Var bias, const Window& window, int64_t groups, const std::string& activation) {
  Attrs attrs = window_values(window, x.shape().size() - 2, "conv_bias");
  attrs.set("groups", groups);
  attrs.set("activation", activation);
  return add_op(op_conv_bias, {x, kernel, bias}, std::move(attrs));
}

Var matmul_bias(Var a, Var b, Var bias, bool transpose_a, bool transpose_b, const std::string& activation) {
  return add_op(op_matmul_bias, {a, b, bias},
                {{"transpose_a", int64_t{transpose_a}}, {"transpose_b", int64_t{transpose_b}}, {"activation", activation}});
}

}  // namespace dl
