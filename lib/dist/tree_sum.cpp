#include "dist/tree_sum.h"

#include <cstring>

#include "base/error.h"
#include "tensor/dtype.h"

namespace dl {
namespace {

template <class T>
T sum_range(std::span<const void* const> src, size_t i, size_t first, size_t last) {
  if (last - first == 1) return static_cast<const T*>(src[first])[i];
  size_t half = 1;  // the left subtree takes the largest power of two below the count
  while (half * 2 < last - first) half *= 2;
  return sum_range<T>(src, i, first, first + half) + sum_range<T>(src, i, first + half, last);
}

template <class T>
void sum_all(T* dst, std::span<const void* const> src, size_t begin, size_t end, T scale) {
  if (src.size() == 2) {  // the common case, vectorised
    const T *a = static_cast<const T*>(src[0]), *b = static_cast<const T*>(src[1]);
    for (size_t i = begin; i < end; ++i) dst[i] = (a[i] + b[i]) * scale;
    return;
  }
  for (size_t i = begin; i < end; ++i) dst[i] = sum_range<T>(src, i, 0, src.size()) * scale;
}

}  // namespace

void tree_sum(void* dst, std::span<const void* const> src, size_t begin, size_t end, DType dtype, double scale) {
  switch (dtype) {
    case DType::kFloat32:
      return sum_all(static_cast<float*>(dst), src, begin, end, static_cast<float>(scale));
    case DType::kFloat64:
      return sum_all(static_cast<double*>(dst), src, begin, end, scale);
    default:
      throw InternalError(std::string("reduction over ranks of ") + name_of(dtype));
  }
}

}  // namespace dl
