#include "layers/recurrent.h"

namespace dl {

const LayerDef layer_simple_rnn_cell = {
    .class_name = "SimpleRNNCell",
    .summary = "One step of a SimpleRNN, for RNN; by itself inputs [x, h], outputs [h, h].",
    .min_inputs = 2,
    .max_inputs = 2,
    .keys = cell_keys({}),
    .check = check_recurrent,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_cell_step(context, inputs, walk_simple_rnn); },
};

}  // namespace dl
