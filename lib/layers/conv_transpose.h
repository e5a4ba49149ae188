// Transposed convolutions differ by the number of spatial axes only: their keys and their build. The layer is the input
// gradient of a convolution whose kernel is [spatial..., filters, in].
// Who uses it: conv1d_transpose.cpp, conv2d_transpose.cpp, conv3d_transpose.cpp.
#pragma once

#include <span>
#include <vector>

#include "layers/layer.h"

namespace dl {

std::vector<ConfigKey> conv_transpose_keys(size_t spatial);
void check_conv_transpose(Layer& layer, spec::Reader& reader);
// The number of spatial axes is that of `kernel_size`.
std::vector<MaskedVar> build_conv_transpose(LayerContext& context, std::span<const MaskedVar> inputs);

}  // namespace dl
