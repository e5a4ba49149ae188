// ConvLSTM1D, 2D and 3D differ by the number of spatial axes only: their keys and their build. An LSTM (Shi et al., 2015, without
// peepholes) whose products are convolutions: over [batch, time, spatial..., channels].
#pragma once

#include <span>
#include <vector>

#include "layers/layer.h"

namespace dl {

std::vector<ConfigKey> conv_lstm_keys(size_t spatial);
void check_conv_lstm(Layer& layer, spec::Reader& reader);
std::vector<MaskedVar> build_conv_lstm(LayerContext& context, std::span<const MaskedVar> inputs, int64_t spatial);

}  // namespace dl
