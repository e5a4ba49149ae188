#include <cmath>

#include "base/error.h"
#include "layers/initializers.h"
#include "layers/layer.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

// A dense layer between [batch, time, features...] with weights of Keras's shapes: kernel [in..., out...], bias [out...].
// The first `in_axes` axes of `shape` are contracted with the last axis of x.
Var project(LayerContext& context, const char* name, const char* object, Var x, const Shape& shape, int64_t in_axes) {
  const Config& config = context.config();
  const LayerContext::SubLayer sub(context, name, object);
  const Shape out(shape.begin() + in_axes, shape.end());
  WeightSpec kernel{"kernel", shape, make_initializer(config.node("kernel_initializer")), config.node("kernel_regularizer")};
  std::vector<int64_t> input_axes, output_axes;
  for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) (i < in_axes ? input_axes : output_axes).push_back(i);
  if (!kernel.initializer.config.has("input_axes")) {
    kernel.initializer.config.set("input_axes", input_axes);
    kernel.initializer.config.set("output_axes", output_axes);
  }
  const Dim in = element_count(Shape(shape.begin(), shape.begin() + in_axes)), units = element_count(out);
  Var y = matmul(x, reshape(context.add_weight(std::move(kernel)), {in, units}));
  if (config.flag("use_bias")) {
    WeightSpec bias{"bias", out, make_initializer(config.node("bias_initializer")), config.node("bias_regularizer")};
    y = y + reshape(context.add_weight(std::move(bias)), {units});
  }
  return y;
}

// [batch, time, heads * size] -> [batch, heads, time, size].
Var split_heads(Var x, Dim heads, Dim size) { return transpose(reshape(x, {x.dim(0), x.dim(1), heads, size}), {0, 2, 1, 3}); }

// Which steps may attend to which, bool broadcastable to [batch, heads, query time, value time]; invalid: all.
Var attention_mask(LayerContext& context, Var query, Var value, Var query_mask, Var value_mask, Var key_mask) {
  Var mask;
  const auto combine = [&](Var more) { mask = mask.valid() ? logical_and(mask, more) : more; };
  if (query_mask.valid()) combine(reshape(query_mask, {query.dim(0), Dim(1), query.dim(1), Dim(1)}));
  for (Var steps : {value_mask, key_mask})
    if (steps.valid()) combine(reshape(steps, {value.dim(0), Dim(1), Dim(1), value.dim(1)}));
  if (context.config().flag("use_causal_mask")) {
    const Shape shape = {Dim(1), Dim(1), query.dim(1), value.dim(1)};
    combine(greater_equal(iota(context.graph(), DType::kInt32, shape, 2), iota(context.graph(), DType::kInt32, shape, 3)));
  }
  return mask;
}

// With dropout on the attention scores, which the attention operator has not.
Var attention_with_dropout(LayerContext& context, Var q, Var k, Var v, Var mask, double scale, double rate) {
  Var scores = matmul(q * scale, k, false, true);
  if (mask.valid()) scores = select(mask, scores, -1e9);
  Var weights = softmax(scores);
  if (mask.valid()) weights = select(mask, weights, 0.0);
  const Var keep = greater_equal(context.random_uniform(weights.shape(), context.config().node("seed")), rate);
  return matmul(select(keep, weights * (1 / (1 - rate)), 0.0), v);
}

std::vector<MaskedVar> build(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  const MaskedVar& value_input = inputs[inputs.size() > 1 ? 1 : 0];
  const Var query = context.to_compute(inputs[0].value), value = context.to_compute(value_input.value);
  const Var key = inputs.size() > 2 ? context.to_compute(inputs[2].value) : value;
  for (Var x : {query, value, key})
    if (x.rank() != 3) throw UserError("MultiHeadAttention needs sequences [batch, time, features], got " + to_string(x.shape()));
  const Dim heads(config.integer("num_heads")), key_dim(config.integer("key_dim"));
  const Dim value_dim = config.given("value_dim") ? Dim(config.integer("value_dim")) : key_dim;
  const Dim out = config.given("output_shape") ? Dim(config.integers("output_shape").at(0)) : query.dim(2);
  const Var q = split_heads(project(context, "query", "query_dense", query, {query.dim(2), heads, key_dim}, 1), heads, key_dim);
  const Var k = split_heads(project(context, "key", "key_dense", key, {key.dim(2), heads, key_dim}, 1), heads, key_dim);
  const Var v = split_heads(project(context, "value", "value_dense", value, {value.dim(2), heads, value_dim}, 1), heads, value_dim);
  const Var key_mask = inputs.size() > 2 ? inputs[2].mask : Var();
  const Var mask = attention_mask(context, query, value, inputs[0].mask, value_input.mask, key_mask);
  const double scale = 1 / std::sqrt(static_cast<double>(key_dim.value())), rate = config.real("dropout");
  const Var attended =
      context.training() && rate > 0 ? attention_with_dropout(context, q, k, v, mask, scale, rate) : attention(q, k, v, mask, scale);
  const Var joined = reshape(transpose(attended, {0, 2, 1, 3}), {query.dim(0), query.dim(1), heads * value_dim});
  return {{project(context, "attention_output", "output_dense", joined, {heads, value_dim, out}, 2), inputs[0].mask}};
}

ConfigKey rate_key() {
  ConfigKey key = float_key("dropout", 0, 0, 1);
  key.max_open = true;
  return key;
}

}  // namespace

const LayerDef layer_multi_head_attention = {
    .class_name = "MultiHeadAttention",
    .summary = "Attention of a query to a value sequence; inputs [query, value] or [query, value, key], one input attends to itself.",
    .max_inputs = 3,
    .masking = Masking::kOwn,
    .keys = {int_key("num_heads", 1), int_key("key_dim", 1), int_key("value_dim", spec::Node(), 1), rate_key(), bool_key("use_bias", true),
             ints_key("output_shape"), unsupported_key("attention_axes"), unsupported_key("sliding_window"), ignored_key("flash_attention"),
             initializer_key("kernel_initializer", "glorot_uniform"), initializer_key("bias_initializer", "zeros"),
             regularizer_key("kernel_regularizer"), regularizer_key("bias_regularizer"), regularizer_key("activity_regularizer"),
             unsupported_key("kernel_constraint"), unsupported_key("bias_constraint"),
             unsupported_key("use_gate", spec::Node::boolean(false)), seed_key(), bool_key("use_causal_mask", false)},
    .check =
        [](Layer& layer, spec::Reader& reader) {
          if (layer.config.given("output_shape") && layer.config.integers("output_shape").size() != 1)
            reader.report("output_shape", "must be one integer; several axes are not supported yet");
        },
    .build = build,
};

}  // namespace dl
