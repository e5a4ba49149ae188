// What layers with random numbers share: rates, noise_shape, dropout masks, normal numbers.
// Who uses it: dropout.cpp, spatial_dropout*.cpp, alpha_dropout.cpp, gaussian_*.cpp.
#pragma once

#include <span>
#include <vector>

#include "layers/layer.h"

namespace dl {

// Required, 0 to 1; `open`: less than 1.
ConfigKey dropout_rate_key(bool open);
// LayerDef::check of layers with a `noise_shape`.
void check_noise_shape(Layer& layer, spec::Reader& reader);
// x's shape with the sizes that `noise_shape` names put in. UserError where the ranks differ.
Shape noise_shape(const LayerContext& context, Var x);

// bool: true with probability 1 - rate; uses the layer's `seed`.
Var random_keep(LayerContext& context, const Shape& shape, double rate);
// float32 of mean 0 and standard deviation 1; uses the layer's `seed`.
Var random_normal(LayerContext& context, const Shape& shape);

// x with a share `rate` of the elements of `shape` (which broadcasts to x) zeroed and the others scaled; training only.
Var drop_elements(LayerContext& context, Var x, const Shape& shape, double rate);

// Whole channels at once.
std::vector<ConfigKey> spatial_dropout_keys(int64_t spatial);
std::vector<MaskedVar> build_spatial_dropout(LayerContext& context, std::span<const MaskedVar> inputs, int64_t spatial);

}  // namespace dl
