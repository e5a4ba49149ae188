// Elements in another type without a second tensor of them, for those who write or read large arrays piece by piece.
// Who uses it: Tensor::cast, writers and readers of model files. Values are converted as Tensor::cast does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "tensor/tensor.h"

namespace dl {

void cast_elements(const void* src, DType from, void* dst, DType to, int64_t count);

using TakeBytes = std::function<void(const void* bytes, size_t count)>;
// All bytes of the tensor as elements of type `dtype`, in order, in pieces; in one piece where that is its type.
void for_each_piece(const Tensor& tensor, DType dtype, const TakeBytes& take);

using GiveBytes = std::function<void(uint64_t offset, void* bytes, size_t count)>;
// The other way: a tensor of type `dtype` from elements of type `stored`, of which `give` is asked for one stretch after the other.
Tensor from_pieces(DType stored, const Dims& dims, DType dtype, const GiveBytes& give);

}  // namespace dl
