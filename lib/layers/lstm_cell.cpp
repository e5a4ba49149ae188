#include "layers/recurrent.h"

namespace dl {

const LayerDef layer_lstm_cell = {
    .class_name = "LSTMCell",
    .summary = "One step of an LSTM, for RNN; by itself inputs [x, h, c], outputs [h, h, c].",
    .min_inputs = 3,
    .max_inputs = 3,
    .keys = cell_keys({gate_activation_key(), bool_key("unit_forget_bias", true)}),
    .check = check_recurrent,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_cell_step(context, inputs, walk_lstm); },
};

}  // namespace dl
