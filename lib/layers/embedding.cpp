#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_embedding = {
    .class_name = "Embedding",
    .summary = "A row of a table for each integer; with mask_zero, 0 is padding that later layers skip.",
    .masking = Masking::kOwn,
    .keys = {int_key("input_dim", 1), int_key("output_dim", 1), initializer_key("embeddings_initializer", "uniform"),
             regularizer_key("embeddings_regularizer"), regularizer_key("activity_regularizer"), constraint_key("embeddings_constraint"),
             bool_key("mask_zero", false), unsupported_key("weights"), unsupported_key("lora_rank"), unsupported_key("lora_alpha"),
             unsupported_key("quantization_config"), ignored_key("input_length")},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      Var indices = inputs[0].value;
      if (indices.dtype() != DType::kInt32 && indices.dtype() != DType::kInt64) indices = cast(indices, DType::kInt32);
      const Config& config = context.config();
      const Var table = context.add_weight("embeddings", {Dim(config.integer("input_dim")), Dim(config.integer("output_dim"))});
      return {{gather(table, indices, 0), config.flag("mask_zero") ? not_equal(indices, 0.0) : Var()}};
    },
};

}  // namespace dl
