// What LSTM and GRU layers share: keys, dropout of the inputs, outputs and masks.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "layers/layer.h"
#include "ops/nn.h"

namespace dl {

// `own`: the keys that only one of the layers has.
std::vector<ConfigKey> recurrent_keys(std::vector<ConfigKey> own);
void check_recurrent(Layer& layer, spec::Reader& reader);

// The input sequence in the compute type, with the layer's `dropout` applied: one mask for all steps of a sample, as in Keras.
Var recurrent_input(LayerContext& context, Var x);
// The initial state that the caller passed as input `index` (after the sequence), or invalid.
Var initial_state(LayerContext& context, std::span<const MaskedVar> inputs, size_t index);
// Sequence or last output, then the states if asked for, with their masks.
std::vector<MaskedVar> recurrent_outputs(LayerContext& context, const Recurrent& result, Var mask);

}  // namespace dl
