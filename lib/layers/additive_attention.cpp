#include "layers/attention.h"
#include "layers/initializers.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_additive_attention = {
    .class_name = "AdditiveAttention",
    .summary = "Attention by scale * tanh(query + key); inputs [query, value] or [query, value, key].",
    .min_inputs = 2,
    .max_inputs = 3,
    .masking = Masking::kOwn,
    .keys = attention_keys({bool_key("use_scale", true)}),
    .build =
        [](LayerContext& context, std::span<const MaskedVar> inputs) {
          const AttentionInputs in = attention_inputs(context, inputs);
          Var terms = tanh(pairwise_sums(in.query, in.key));
          if (context.config().flag("use_scale"))
            terms = terms * context.add_weight({"scale", {in.query.dim(2)}, named_initializer("GlorotUniform")});
          return attend(context, inputs, reduce_sum(terms, {-1}), in.value);
        },
};

}  // namespace dl
