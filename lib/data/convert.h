// Element conversion between dtypes, for rows of samples. Used inside lib/data only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/dtype.h"

namespace dl {

// dst[i] = src[i] * scale + offset for count elements. Exact copy when the types agree and scale, offset are 1, 0.
// Arithmetic is float32, or double when either type is float64 or a 32- or 64-bit integer meets scaling.
void convert_row(const std::byte* src, DType src_type, std::byte* dst, DType dst_type, int64_t count, double scale = 1, double offset = 0);

}  // namespace dl
