// Images of a batch mixed with each other: random rectangles, permutations and beta-distributed weights.
// Who uses it: mix_up.cpp, cut_mix.cpp, random_erasing.cpp.
#pragma once

#include "layers/image.h"

namespace dl {

// bool [batch, height, width, 1] (or with channels first): a rectangle of the shares `width` and `height` [batch, 1, 1, 1] of each image.
Var draw_box(LayerContext& context, const Image& image, Var width, Var height);

// The images in random order.
Var shuffle_images(LayerContext& context, Var x);

// Beta(alpha, alpha), [batch, 1, 1, 1] float32. alpha above 0, a scalar.
Var draw_beta(LayerContext& context, Var x, Var alpha);

}  // namespace dl
