#include "layers/conv_lstm.h"

namespace dl {

const LayerDef layer_conv_lstm3d = {
    .class_name = "ConvLSTM3D",
    .summary = "An LSTM over a sequence of volumes whose products are 3-D convolutions. Further inputs are the initial h and c.",
    .max_inputs = 3,
    .masking = Masking::kOwn,
    .keys = conv_lstm_keys(3),
    .check = check_conv_lstm,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_conv_lstm(context, inputs, 3); },
};

}  // namespace dl
