// Images under projective maps, as TensorFlow's ImageProjectiveTransform computes them, of ordinary operators.
// Who uses it: random_translation.cpp, random_rotation.cpp, random_zoom.cpp, random_shear.cpp, random_perspective.cpp,
// random_elastic_transform.cpp.
#pragma once

#include <string>

#include "layers/image.h"

namespace dl {

// Where the pixel (x, y) of the result comes from: ((a0 x + a1 y + a2) / k, (b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1. float32
// [batch, 1, 1]; one that is not valid is 0.
struct Projection {
  Var a0, a1, a2, b0, b1, b2, c0 = {}, c1 = {};
};

// Keys of the layers that do this.
std::vector<ConfigKey> warp_keys(const char* fill_mode);

// By the layer's `interpolation`, `fill_mode` and `fill_value`. In x's type.
Var warp(const LayerContext& context, const Image& image, const Projection& projection, const std::string& fill_mode);

// The pixel (x, y) of the result comes from (x + right, y + down); both [batch, height, width]. By the same keys; here each of the pixels
// that are interpolated is filled in for itself, and fill_mode "mirror" does not repeat the border. In x's type.
Var move_pixels(const LayerContext& context, const Image& image, Var right, Var down);

// [batch, 1, 1].
Shape per_map(Var x);

}  // namespace dl
