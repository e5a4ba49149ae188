// Sums of several arrays in a fixed balanced tree: ((0 + 1) + (2 + 3)) + ..., whatever the order they arrive in.
#pragma once

#include <cstddef>
#include <span>

#include "tensor/dtype.h"

namespace dl {

// dst[i] = tree sum over k of src[k][i], times scale. dst may be one of the sources. Float types only.
void tree_sum(void* dst, std::span<const void* const> src, size_t begin, size_t end, DType dtype, double scale);

}  // namespace dl
