#include "layers/attention.h"

#include "base/error.h"
#include "layers/initializers.h"
#include "layers/noise.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

constexpr double kFar = 1e9;  // what a masked score loses, as in Keras

std::vector<MaskedVar> build_attention(LayerContext& context, std::span<const MaskedVar> inputs) {
  const AttentionInputs in = attention_inputs(context, inputs);
  const auto scalar_weight = [&](const char* name) { return context.add_weight({name, {}, named_initializer("Ones")}); };
  const bool scaled = context.config().flag("use_scale");
  const Var scale = scaled ? scalar_weight("scale") : Var();
  Var scores;
  if (context.config().text("score_mode") == "dot") {
    scores = matmul(in.query, in.key, false, true);
    if (scaled) scores = scores * scale;
  } else {
    const Var sums = pairwise_sums(in.query, in.key), weight = scalar_weight("concat_score_weight");
    scores = weight * reduce_sum(tanh(scaled ? scale * sums : sums), {-1});
  }
  return attend(context, inputs, scores, in.value);
}

}  // namespace

std::vector<ConfigKey> attention_keys(std::vector<ConfigKey> own) {
  ConfigKey rate = float_key("dropout", 0, 0, 1);
  rate.max_open = true;
  return join_keys(std::move(own), {rate, seed_key(), bool_key("use_causal_mask", false), bool_key("return_attention_scores", false)});
}

AttentionInputs attention_inputs(LayerContext& context, std::span<const MaskedVar> inputs) {
  for (const MaskedVar& input : inputs)
    if (input.value.rank() != 3)
      throw UserError(std::string(context.layer().def->class_name) + " needs sequences [batch, time, features], got " +
                      to_string(input.value.shape()));
  return {context.to_compute(inputs[0].value), context.to_compute(inputs[1].value),
          context.to_compute(inputs[inputs.size() > 2 ? 2 : 1].value)};
}

std::vector<MaskedVar> attend(LayerContext& context, std::span<const MaskedVar> inputs, Var scores, Var value) {
  const Config& config = context.config();
  Var keep = inputs[1].mask.valid() ? expand_dims(inputs[1].mask, 1) : Var();
  if (config.flag("use_causal_mask")) {
    const Var causal = causal_steps(context.graph(), scores.dim(1), scores.dim(2));
    keep = keep.valid() ? logical_and(keep, causal) : causal;
  }
  if (keep.valid()) scores = select(keep, scores, scores - kFar);
  Var weights = softmax(scores);
  weights = drop_elements(context, weights, weights.shape(), config.real("dropout"));
  Var y = matmul(weights, value);
  if (inputs[0].mask.valid()) y = select(expand_dims(inputs[0].mask, -1), y, 0.0);
  std::vector<MaskedVar> outputs = {{y, inputs[0].mask}};
  if (config.flag("return_attention_scores")) outputs.push_back({weights, {}});
  return outputs;
}

Var pairwise_sums(Var query, Var key) { return expand_dims(query, 2) + expand_dims(key, 1); }

Var causal_steps(Graph& graph, Dim rows, Dim columns) {
  const Shape shape = {Dim(1), rows, columns};
  return greater_equal(iota(graph, DType::kInt32, shape, 1), iota(graph, DType::kInt32, shape, 2));
}

const LayerDef layer_attention = {
    .class_name = "Attention",
    .summary = "Attention by dot products (or sums, score_mode concat); inputs [query, value] or [query, value, key].",
    .min_inputs = 2,
    .max_inputs = 3,
    .masking = Masking::kOwn,
    .keys = attention_keys({bool_key("use_scale", false), choice_key("score_mode", {"dot", "concat"}, "dot")}),
    .build = build_attention,
};

}  // namespace dl
