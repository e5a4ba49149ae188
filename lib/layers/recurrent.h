// What recurrent layers and their cells share: keys, dropout of the inputs, the walk of a cell over a sequence, outputs and
// masks. A cell's config has the same keys whether it is a layer of its own (RNN) or part of one (LSTM).
// Who uses it: lstm.cpp, gru.cpp, simple_rnn.cpp, rnn.cpp.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "layers/layer.h"
#include "ops/nn.h"

namespace dl {

// Keys of a cell, and of a layer with the cell in it. `own`: the keys that only one class has.
std::vector<ConfigKey> cell_keys(std::vector<ConfigKey> own);
std::vector<ConfigKey> recurrent_keys(std::vector<ConfigKey> own);
std::vector<ConfigKey> sequence_keys();  // those of every recurrent layer: return_sequences ...
ConfigKey gate_activation_key();         // recurrent_activation, which SimpleRNN has not
void check_recurrent(Layer& layer, spec::Reader& reader);

// A cell applied to every step of x [batch, time, features]; makes the cell's weights. `states` may be short: zeros.
using WalkCell = Recurrent (*)(LayerContext& context, Var x, std::span<const Var> states, Var mask, bool reversed);
Recurrent walk_lstm(LayerContext& context, Var x, std::span<const Var> states, Var mask, bool reversed);
Recurrent walk_gru(LayerContext& context, Var x, std::span<const Var> states, Var mask, bool reversed);
Recurrent walk_simple_rnn(LayerContext& context, Var x, std::span<const Var> states, Var mask, bool reversed);

// The input sequence in the compute type, with the layer's `dropout` applied: one mask for all steps of a sample, as in Keras.
Var recurrent_input(LayerContext& context, Var x);
// The initial states that the caller passed after the sequence, in the compute type.
std::vector<Var> initial_states(LayerContext& context, std::span<const MaskedVar> inputs);
// Sequence or last output (which is state `output`), then the states if asked for, with their masks.
std::vector<MaskedVar> recurrent_outputs(LayerContext& context, const Recurrent& result, Var mask, size_t output = 0);
// A whole layer: inputs [sequence, states...]; the cell's weights are named `cell` and owned as "cell".
std::vector<MaskedVar> build_recurrent(LayerContext& context, std::span<const MaskedVar> inputs, const char* cell, WalkCell walk);

// A cell as a layer: one step, inputs [x, states...], outputs [result, states...].
std::vector<MaskedVar> build_cell_step(LayerContext& context, std::span<const MaskedVar> inputs, WalkCell walk);

}  // namespace dl
