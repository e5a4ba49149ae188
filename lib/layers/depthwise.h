// Depthwise and separable convolutions of any number of spatial axes: keys and build. A depthwise convolution is one with a
// group per channel; a separable one adds a convolution of size 1 over the channels.
// Who uses it: depthwise_conv1d.cpp, depthwise_conv2d.cpp, separable_conv1d.cpp, separable_conv2d.cpp.
#pragma once

#include <span>
#include <vector>

#include "layers/layer.h"

namespace dl {

std::vector<ConfigKey> depthwise_conv_keys(size_t spatial);
std::vector<MaskedVar> build_depthwise_conv(LayerContext& context, std::span<const MaskedVar> inputs);

std::vector<ConfigKey> separable_conv_keys(size_t spatial);
std::vector<MaskedVar> build_separable_conv(LayerContext& context, std::span<const MaskedVar> inputs);

}  // namespace dl
