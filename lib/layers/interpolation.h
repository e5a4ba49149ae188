// Resizing images: pixels are chosen and blended by constant indices, or a constant matrix per axis; the numbers of TensorFlow's kernels.
// Who uses it: the image layers (resizing.cpp, center_crop.cpp, random_crop.cpp). Shapes must be known along the axes that change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "graph/var.h"

namespace dl {

// "bilinear", "nearest", "bicubic", "lanczos3", "lanczos5".
const std::vector<std::string_view>& interpolation_names();

// Two axes from `axis` on, resized to height and width, in x's type; integers are rounded to the nearest even and saturate.
// UserError where a size is not known.
Var resize_image(Var x, int64_t axis, int64_t height, int64_t width, const std::string& interpolation, bool antialias);

}  // namespace dl
