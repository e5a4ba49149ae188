#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "layers/heads.h"
#include "layers/resize.h"
#include "ops/builders.h"

namespace dl {
namespace {

// The sublayers' places in .weights.h5 begin with '_' here, unlike MultiHeadAttention's, as in Keras.

void check_group_query_attention(Layer& layer, spec::Reader& reader) {
  const int64_t query = layer.config.integer("num_query_heads"), shared = layer.config.integer("num_key_value_heads");
  if (query % shared != 0) reader.report("num_key_value_heads", fmt::format("is {}, must divide num_query_heads ({})", shared, query));
}

std::vector<MaskedVar> build_group_query_attention(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  const Var query = context.to_compute(inputs[0].value), value = context.to_compute(inputs[1].value);
  const Var key = inputs.size() > 2 ? context.to_compute(inputs[2].value) : value;
  for (Var x : {query, value, key})
    if (x.rank() != 3) throw UserError("GroupQueryAttention needs sequences [batch, time, features], got " + to_string(x.shape()));
  const Dim heads(config.integer("num_query_heads")), shared(config.integer("num_key_value_heads")), size(config.integer("head_dim"));
  const auto heads_first = [](Var x) { return transpose(x, {0, 2, 1, 3}); };
  const auto shared_heads = [&](const char* name, const char* object, Var x) {
    const Var few = project(context, name, object, x, {x.dim(2), shared, size});
    return heads_first(repeat_elements(few, 2, heads.value() / shared.value()));
  };
  const Var q = heads_first(project(context, "query", "_query_dense", query, {query.dim(2), heads, size}));
  const Var k = shared_heads("key", "_key_dense", key);
  const Var gate = config.flag("use_gate") ? project(context, "gate", "_gate_dense", query, {query.dim(2), heads, size}) : Var();
  const Var v = shared_heads("value", "_value_dense", value);
  const double scale = 1 / std::sqrt(static_cast<double>(size.value()));
  const Attended attended = attend_heads(context, q, k, v, attention_mask(context, inputs), scale);
  Var y = heads_first(attended.result);
  if (gate.valid()) y = y * sigmoid(gate);
  std::vector<MaskedVar> outputs = {
      {project(context, "attention_output", "_output_dense", y, {heads, size, query.dim(2)}, 2), inputs[0].mask}};
  if (config.flag("return_attention_scores")) outputs.push_back({attended.weights, {}});
  return outputs;
}

}  // namespace

const LayerDef layer_group_query_attention = {
    .class_name = "GroupQueryAttention",
    .summary =
        "Attention whose query heads share fewer key and value heads; inputs [query, value], [query, value, key] or [query, value, key, "
        "attention "
        "mask].",
    .min_inputs = 2,
    .max_inputs = 4,
    .masking = Masking::kOwn,
    .keys = join_keys({int_key("head_dim", 1), int_key("num_query_heads", 1), int_key("num_key_value_heads", 1)}, head_keys()),
    .check = check_group_query_attention,
    .build = build_group_query_attention,
};

}  // namespace dl
