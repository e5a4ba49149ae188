#include "layers/conv_lstm.h"

namespace dl {

const LayerDef layer_conv_lstm2d = {
    .class_name = "ConvLSTM2D",
    .summary = "An LSTM over a sequence of images whose products are 2-D convolutions. Further inputs are the initial h and c.",
    .max_inputs = 3,
    .masking = Masking::kOwn,
    .keys = conv_lstm_keys(2),
    .check = check_conv_lstm,
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) { return build_conv_lstm(context, inputs, 2); },
};

}  // namespace dl
