// Pooling to a given output size over 1 to 3 spatial axes: window i of n over a size s goes from floor(i s / n) to
// ceil((i + 1) s / n). Keys and build. The sizes of the spatial axes must be known.
// Who uses it: adaptive_average_pooling*.cpp, adaptive_max_pooling*.cpp.
#pragma once

#include <span>
#include <vector>

#include "layers/pooling.h"

namespace dl {

std::vector<ConfigKey> adaptive_pooling_keys(size_t spatial);
std::vector<MaskedVar> build_adaptive_pooling(LayerContext& context, std::span<const MaskedVar> inputs, Pooling pooling);

}  // namespace dl
