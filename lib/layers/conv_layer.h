// Conv1D and Conv2D differ by the number of spatial axes only: their keys and their build.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "layers/layer.h"

namespace dl {

std::vector<ConfigKey> conv_keys(size_t spatial, std::vector<std::string_view> paddings);
void check_conv(Layer& layer, spec::Reader& reader);
std::vector<MaskedVar> build_conv(LayerContext& context, std::span<const MaskedVar> inputs, int64_t spatial);

// Activation, bias and the keys for them, as every convolution has them.
std::vector<ConfigKey> conv_output_keys(const std::string& kernel);
Var finish_conv(LayerContext& context, Var y, Dim channels, bool channels_first);

}  // namespace dl
