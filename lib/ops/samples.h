// Short names for the samples that stand beside each operator. Only ops/*.cpp include it.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace dl {

inline constexpr DType kF = DType::kFloat32, kI = DType::kInt64;
using Ints = std::vector<int64_t>;

inline Tensor index_tensor(Dims dims, std::vector<int64_t> values) { return Tensor::from<int64_t>(std::move(dims), values); }

}  // namespace dl
