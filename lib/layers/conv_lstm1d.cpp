#include "layers/conv_lstm.h"

namespace dl {

const LayerDef layer_conv_lstm1d = {
    .class_name = "ConvLSTM1D",
    .summary = "An LSTM over a sequence of series whose products are 1-D convolutions. Further inputs are the initial h and c.",
    .max_inputs = 3,
    .masking = Masking::kOwn,
    .keys = conv_lstm_keys(1),
    .check = check_conv_lstm,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_conv_lstm(context, inputs, 1); },
};

}  // namespace dl
