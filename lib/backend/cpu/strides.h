// Row-major index arithmetic of fixed capacity, so that kernels run without allocating.
// Who uses it: reference and loop kernels.
#pragma once

#include <array>
#include <cstdint>

#include "base/error.h"
#include "tensor/tensor.h"

namespace dl::cpu {

inline constexpr size_t kMaxRank = 16;

// A list of at most kMaxRank sizes, strides or coordinates.
struct Index {
  std::array<int64_t, kMaxRank> at{};
  size_t rank = 0;

  Index() = default;
  explicit Index(const Dims& dims) : rank(dims.size()) {
    DL_CHECK(rank <= kMaxRank, "tensors have at most 16 axes");
    for (size_t i = 0; i < rank; ++i) at[i] = dims[i];
  }
  int64_t& operator[](size_t i) { return at[i]; }
  int64_t operator[](size_t i) const { return at[i]; }
  int64_t count() const {
    int64_t n = 1;
    for (size_t i = 0; i < rank; ++i) n *= at[i];
    return n;
  }
};

// Elements between neighbours along each axis.
inline Index strides_of(const Dims& dims) {
  Index strides(dims);
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= dims[i];
  }
  return strides;
}

// Strides of an operand of shape `dims` read at the coordinates of `out`: 0 along axes it is repeated over.
inline Index broadcast_strides(const Dims& dims, const Dims& out) {
  const Index own = strides_of(dims);
  Index strides(out);
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t missing = out.size() - dims.size();
    strides[i] = i < missing || dims[i - missing] == 1 ? 0 : own[i - missing];
  }
  return strides;
}

// Calls visit(coordinates) in row-major order.
template <class Visit>
void for_each_index(const Index& sizes, Visit&& visit) {
  Index at;
  at.rank = sizes.rank;
  for (int64_t left = sizes.count(); left > 0; --left) {
    visit(at);
    for (size_t i = sizes.rank; i-- > 0;) {
      if (++at[i] < sizes[i]) break;
      at[i] = 0;
    }
  }
}

inline int64_t offset_of(const Index& at, const Index& strides) {
  int64_t offset = 0;
  for (size_t i = 0; i < at.rank; ++i) offset += at[i] * strides[i];
  return offset;
}

}  // namespace dl::cpu
