#include "layers/initializers.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {
namespace {

Var project_to_inputs(LayerContext& context, Var x, Var kernel) {
  const Config& config = context.config();
  if (config.given("reverse_dtype")) {
    const DType type = *parse_dtype(config.text("reverse_dtype"));
    x = cast(x, type);
    kernel = cast(kernel, type);
  }
  Var logits = matmul(x, kernel);
  if (!config.given("logit_soft_cap")) return logits;
  const double cap = config.real("logit_soft_cap");
  return tanh(logits / cap) * cap;
}

std::vector<MaskedVar> build_reversible_embedding(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  const Dim words(config.integer("input_dim")), size(config.integer("output_dim"));
  const Var table = context.add_weight("embeddings", {words, size});
  Var back;
  if (!config.flag("tie_weights"))
    back = context.add_weight(
        {.name = "reverse_embeddings", .shape = {size, words}, .initializer = make_initializer(config.node("embeddings_initializer"))});
  const Var x = inputs[0].value;
  if (config.flag("reverse")) {
    const Var vectors = context.to_compute(x);
    return {{project_to_inputs(context, vectors, back.valid() ? back : transpose(table, {1, 0})), {}}};
  }
  const Var indices = x.dtype() == DType::kInt32 || x.dtype() == DType::kInt64 ? x : cast(x, DType::kInt32);
  return {{gather(table, indices, 0), config.flag("mask_zero") ? not_equal(indices, 0.0) : Var()}};
}

void check_reversible_embedding(Layer& layer, spec::Reader& reader) {
  if (!layer.config.given("reverse_dtype")) return;
  const std::optional<DType> type = parse_dtype(layer.config.text("reverse_dtype"));
  if (!type || !is_float(*type)) reader.report("reverse_dtype", "must be a floating-point type, such as float32");
}

ConfigKey nullable(ConfigKey key) {
  key.fallback = {};
  key.nullable = true;
  return key;
}

}  // namespace

const LayerDef layer_reversible_embedding = {
    .class_name = "ReversibleEmbedding",
    .summary = "A row of a table for each integer; a call with reverse: true takes vectors back to a score for each integer.",
    .masking = Masking::kOwn,
    .keys = {int_key("input_dim", 1),
             int_key("output_dim", 1),
             bool_key("tie_weights", true),
             initializer_key("embeddings_initializer", "uniform"),
             regularizer_key("embeddings_regularizer"),
             regularizer_key("activity_regularizer"),
             constraint_key("embeddings_constraint"),
             bool_key("mask_zero", false),
             {.name = "reverse_dtype", .kind = KeyKind::kString, .nullable = true},
             nullable(float_key("logit_soft_cap", 0, 0)),
             bool_key("reverse", false),
             unsupported_key("weights"),
             unsupported_key("lora_rank"),
             unsupported_key("lora_alpha"),
             unsupported_key("quantization_config")},
    .check = check_reversible_embedding,
    .build = build_reversible_embedding,
};

}  // namespace dl
