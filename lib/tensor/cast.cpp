#include "tensor/cast.h"

#include <algorithm>

namespace dl {
namespace {

constexpr int64_t kPieceElements = int64_t{1} << 18;

}  // namespace

void for_each_piece(const Tensor& tensor, DType dtype, const TakeBytes& take) {
  if (tensor.size() == 0) return;
  if (tensor.dtype() == dtype) return take(tensor.raw(), tensor.bytes());
  Tensor piece(dtype, {std::min(tensor.size(), kPieceElements)});
  for (int64_t done = 0; done < tensor.size(); done += kPieceElements) {
    const int64_t count = std::min(tensor.size() - done, kPieceElements);
    const auto* from = static_cast<const std::byte*>(tensor.raw()) + static_cast<size_t>(done) * size_of(tensor.dtype());
    cast_elements(from, tensor.dtype(), piece.raw(), dtype, count);
    take(piece.raw(), static_cast<size_t>(count) * size_of(dtype));
  }
}

Tensor from_pieces(DType stored, const Dims& dims, DType dtype, const GiveBytes& give) {
  Tensor tensor(dtype, dims);
  if (tensor.size() == 0) return tensor;
  if (stored == dtype) {
    give(0, tensor.raw(), tensor.bytes());
    return tensor;
  }
  Tensor piece(stored, {std::min(tensor.size(), kPieceElements)});
  for (int64_t done = 0; done < tensor.size(); done += kPieceElements) {
    const int64_t count = std::min(tensor.size() - done, kPieceElements);
    give(static_cast<uint64_t>(done) * size_of(stored), piece.raw(), static_cast<size_t>(count) * size_of(stored));
    cast_elements(piece.raw(), stored, static_cast<std::byte*>(tensor.raw()) + static_cast<size_t>(done) * size_of(dtype), dtype, count);
  }
  return tensor;
}

}  // namespace dl
