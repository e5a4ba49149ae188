// Padding and cropping layers of 1 to 3 spatial axes. Their config holds one [begin, end] pair for each axis (Keras's 1-D
// layers a single pair); the shorter forms that Keras takes are normalised to it.
// Who uses it: zero_padding*.cpp, cropping*.cpp.
#pragma once

#include <span>
#include <vector>

#include "layers/layer.h"

namespace dl {

// For LayerDef::check of a layer whose pairs are under "padding" or "cropping". Spatial is 1, 2 or 3.
template <size_t Spatial>
void check_borders(Layer& layer, spec::Reader& reader);

std::vector<MaskedVar> build_zero_padding(LayerContext& context, std::span<const MaskedVar> inputs, size_t spatial);
std::vector<MaskedVar> build_cropping(LayerContext& context, std::span<const MaskedVar> inputs, size_t spatial);

}  // namespace dl
