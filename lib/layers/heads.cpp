#include "layers/heads.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "layers/noise.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

ConfigKey rate_key() {
  ConfigKey key = float_key("dropout", 0, 0, 1);
  key.max_open = true;
  return key;
}

// Steps of the two time axes, numbered: int32 [1, rows, columns].
Var step_numbers(LayerContext& context, Var query, Var value, int64_t axis) {
  return iota(context.graph(), DType::kInt32, {Dim(1), query.dim(1), value.dim(1)}, axis);
}

}  // namespace

std::vector<ConfigKey> head_keys() {
  return {rate_key(),
          bool_key("use_bias", true),
          int_key("sliding_window", spec::Node(), 1),
          ignored_key("flash_attention"),
          initializer_key("kernel_initializer", "glorot_uniform"),
          initializer_key("bias_initializer", "zeros"),
          regularizer_key("kernel_regularizer"),
          regularizer_key("bias_regularizer"),
          regularizer_key("activity_regularizer"),
          constraint_key("kernel_constraint"),
          constraint_key("bias_constraint"),
          bool_key("use_gate", false),
          seed_key(),
          bool_key("use_causal_mask", false),
          bool_key("return_attention_scores", false)};
}

Var project(LayerContext& context, const char* name, const char* object, Var x, const Shape& shape, int64_t in_axes) {
  const Config& config = context.config();
  const LayerContext::SubLayer sub(context, name, object);
  const Shape in_sizes(shape.begin(), shape.begin() + in_axes), out_sizes(shape.begin() + in_axes, shape.end());
  WeightSpec kernel = context.weight_spec("kernel", shape);
  std::vector<int64_t> input_axes, output_axes;
  for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) (i < in_axes ? input_axes : output_axes).push_back(i);
  if (!kernel.initializer.config.has("input_axes")) {
    kernel.initializer.config.set("input_axes", input_axes);
    kernel.initializer.config.set("output_axes", output_axes);
  }
  const Dim in = element_count(in_sizes), units = element_count(out_sizes);
  Shape lead(x.shape().begin(), x.shape().end() - in_axes), flat = lead;
  flat.push_back(in);
  Var y = matmul(reshape(x, flat), reshape(context.add_weight(std::move(kernel)), {in, units}));
  if (config.flag("use_bias")) {
    y = y + reshape(context.add_weight("bias", out_sizes), {units});
  }
  lead.insert(lead.end(), out_sizes.begin(), out_sizes.end());
  return reshape(y, lead);
}

Var attention_mask(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Var query = inputs[0].value, value = inputs[inputs.size() > 1 ? 1 : 0].value;
  Var mask;
  const auto combine = [&](Var more) { mask = mask.valid() ? logical_and(mask, more) : more; };
  if (inputs[0].mask.valid()) combine(expand_dims(inputs[0].mask, 2));
  for (size_t i = inputs.size() > 1 ? 1 : 0; i < std::min<size_t>(inputs.size(), 3); ++i)
    if (inputs[i].mask.valid()) combine(expand_dims(inputs[i].mask, 1));
  if (context.config().flag("use_causal_mask"))
    combine(greater_equal(step_numbers(context, query, value, 1), step_numbers(context, query, value, 2)));
  if (context.config().given("sliding_window")) {
    const Var distance = step_numbers(context, query, value, 1) - step_numbers(context, query, value, 2);
    const double window = static_cast<double>(context.config().integer("sliding_window"));
    combine(logical_and(less(distance, window), greater(distance, -window)));
  }
  if (inputs.size() < 4) return mask;
  const Var given = inputs[3].value, allowed = given.dtype() == DType::kBool ? given : not_equal(given, 0.0);
  if (mask.valid() && allowed.rank() > mask.rank())
    throw UserError("the attention mask " + to_string(given.shape()) +
                    " must be [batch, query time, value time] where the layer has other masks, too");
  combine(allowed);
  return mask;
}

Var spread_mask(Var mask, int64_t rank, int64_t count) {
  if (mask.rank() < count || mask.rank() > rank)
    throw UserError(
        fmt::format("the attention mask {} has {} axes, must have {} to {}", to_string(mask.shape()), mask.rank(), count, rank));
  while (mask.rank() < rank) mask = expand_dims(mask, mask.rank() - count);
  return mask;
}

Attended attend_heads(LayerContext& context, Var q, Var k, Var v, Var mask, double scale) {
  const double rate = context.config().real("dropout");
  if (mask.valid()) mask = spread_mask(mask, 4, 2);
  const bool with_weights = context.config().flag("return_attention_scores");
  if (rate == 0 && !with_weights) {
    const Var y = attention(q, k, v, mask, scale);
    if (!mask.valid()) return {y, {}};
    // The operator gives zeros where nothing may be seen, Keras the mean of everything, unless it forms the weights.
    const Var sees = greater(reduce_max(cast(mask, DType::kInt32), {3}, true), 0.0);
    return {select(sees, y, reduce_mean(v, {2}, true)), {}};
  }
  if (!with_weights && !context.training()) return {attention(q, k, v, mask, scale), {}};
  Var scores = matmul(q * scale, k, false, true);
  if (mask.valid()) scores = select(mask, scores, -1e9);
  Var weights = softmax(scores);
  if (mask.valid()) weights = select(mask, weights, 0.0);
  return {matmul(drop_elements(context, weights, weights.shape(), rate), v), weights};
}

}  // namespace dl
