// What Attention and AdditiveAttention share: masks, softmax of scores, dropout.
#pragma once

#include <span>
#include <vector>

#include "layers/layer.h"

namespace dl {

// Keys of both; `own` are those that only one has.
std::vector<ConfigKey> attention_keys(std::vector<ConfigKey> own);

// Inputs [query, value] or [query, value, key]; UserError unless all have the axes [batch, time, features].
struct AttentionInputs {
  Var query, value, key;
};
AttentionInputs attention_inputs(LayerContext& context, std::span<const MaskedVar> inputs);

// scores [batch, query time, key time] -> result and, with return_attention_scores, the weights.
std::vector<MaskedVar> attend(LayerContext& context, std::span<const MaskedVar> inputs, Var scores, Var value);

// query + key for every pair of steps: [batch, query time, key time, features].
Var pairwise_sums(Var query, Var key);

// bool [1, rows, columns]: step i may see steps up to i.
Var causal_steps(Graph& graph, Dim rows, Dim columns);

}  // namespace dl
