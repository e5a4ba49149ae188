// Enlarging along one axis, for up-sampling layers of any rank.
#pragma once

#include <cstdint>

#include "graph/var.h"

namespace dl {

// Every element along `axis`, `times` times in a row.
Var repeat_elements(Var x, int64_t axis, int64_t times);

// Linear interpolation to `times` the size, positions at the centres of cells, edges repeated (TensorFlow's half_pixel_centers).
Var enlarge_linear(Var x, int64_t axis, int64_t times);

}  // namespace dl
