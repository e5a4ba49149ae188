// What recurrent layers and their cells share: keys, dropout of the inputs, the walk of a cell over a sequence, outputs and
// masks. A cell's config has the same keys whether it is a layer of its own (RNN) or part of one (LSTM).
// Who uses it: lstm.cpp, gru.cpp, simple_rnn.cpp, rnn.cpp.
#pragma once

#include <functional>
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

// The bias of an LSTM [4 units], gates i f c o; with unit_forget_bias the forget gate starts at 1. Invalid without use_bias.
Var add_lstm_bias(LayerContext& context, Dim units);

// A recurrence without an operator of its own: `step` gives the states after a step from those before, an element of the sequence and
// the constants; the first state is the output. States, all given, and mask as in lstm().
using RecurrentStep = std::function<std::vector<Var>(std::span<const Var> states, Var element, std::span<const Var> constants)>;
Recurrent walk_steps(Var sequence, std::span<const Var> states, std::span<const Var> constants, Var mask, bool reversed,
                     const RecurrentStep& step);

// Does this build draw masks for the state (recurrent_dropout)? Then, as in Keras, every gate has masks of its own, also for the input.
bool drops_state(const LayerContext& context);
// `count` masks of 0 and 1 / (1 - rate), other ones in every step of training.
std::vector<Var> dropout_masks(LayerContext& context, const TensorType& type, double rate, int64_t count);
// x @ kernel, whose columns are `gates` blocks; with drops_state every block sees its own dropout of x.
Var project_gates(LayerContext& context, Var x, Var kernel, int64_t gates);
// The masks of the state for `gates` gates.
std::vector<Var> state_masks(LayerContext& context, const TensorType& state, int64_t gates);
// The states given, or zeros.
std::vector<Var> states_or_zeros(Graph& graph, std::span<const Var> states, const TensorType& type, size_t count);

// The input sequence in the compute type, with the layer's `dropout` applied: one mask for all steps of a sample, as in Keras.
Var recurrent_input(LayerContext& context, Var x);
// What a layer starts from, in the compute type: the states that the caller passed after the sequence, or those of these shapes that a
// stateful layer has kept, or none, which is zeros.
std::vector<Var> initial_states(LayerContext& context, std::span<const MaskedVar> inputs, std::span<const Shape> shapes);
// Where the layer is stateful, the next batch starts from these.
void keep_states(LayerContext& context, std::span<const Var> states);
// Sequence or last output (which is state `output`), then the states if asked for, with their masks.
std::vector<MaskedVar> recurrent_outputs(LayerContext& context, const Recurrent& result, Var mask, size_t output = 0);
// A whole layer: inputs [sequence, states...]; the cell's weights are named `cell` and owned as "cell". It has `states` states.
std::vector<MaskedVar> build_recurrent(LayerContext& context, std::span<const MaskedVar> inputs, const char* cell, WalkCell walk,
                                       size_t states);

// A cell as a layer: one step, inputs [x, states...], outputs [result, states...].
std::vector<MaskedVar> build_cell_step(LayerContext& context, std::span<const MaskedVar> inputs, WalkCell walk);

}  // namespace dl
