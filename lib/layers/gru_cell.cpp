#include "layers/recurrent.h"

namespace dl {

const LayerDef layer_gru_cell = {
    .class_name = "GRUCell",
    .summary = "One step of a GRU, for RNN; by itself inputs [x, h], outputs [h, h].",
    .min_inputs = 2,
    .max_inputs = 2,
    .keys = cell_keys({gate_activation_key(), bool_key("reset_after", true)}),
    .check = check_recurrent,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_cell_step(context, inputs, walk_gru); },
};

}  // namespace dl
