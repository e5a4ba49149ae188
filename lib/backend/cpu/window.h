// Concrete geometry of a convolution or pooling node, padded to three spatial axes, so that kernels have one loop nest.
// Who uses it: reference, oneDNN and pooling kernels of backend/cpu.
#pragma once

#include <array>
#include <cstdint>

#include "backend/kernel.h"

namespace dl::cpu {

using Int3 = std::array<int64_t, 3>;

struct WindowGeometry {
  int64_t batch = 0, channels = 0;  // of x
  int64_t out_channels = 0, groups = 1;
  size_t spatial = 0;  // real spatial axes; they are the last ones of the arrays
  Int3 in{1, 1, 1}, out{1, 1, 1}, size{1, 1, 1}, stride{1, 1, 1}, dilation{1, 1, 1}, pad_begin{}, pad_end{};
  bool channels_first = false;

  int64_t taps() const { return size[0] * size[1] * size[2]; }
  int64_t in_count() const { return in[0] * in[1] * in[2]; }
  int64_t out_count() const { return out[0] * out[1] * out[2]; }
  // Input coordinate that tap t of window o reads on an axis; outside of [0, in) it is padding.
  int64_t source(size_t axis, int64_t o, int64_t t) const { return o * stride[axis] - pad_begin[axis] + t * dilation[axis]; }
  // The window whose tap t reads input coordinate i; -1 when there is none.
  int64_t window(size_t axis, int64_t i, int64_t t) const {
    const int64_t at = i + pad_begin[axis] - t * dilation[axis];
    if (at < 0 || at % stride[axis] != 0 || at / stride[axis] >= out[axis]) return -1;
    return at / stride[axis];
  }
  // The same for whole places; false when it is padding, or there is no such window.
  bool find_source(const Int3& o, const Int3& tap, Int3& i) const {
    for (size_t k = 0; k < 3; ++k) {
      i[k] = source(k, o[k], tap[k]);
      if (i[k] < 0 || i[k] >= in[k]) return false;
    }
    return true;
  }
  bool find_window(const Int3& i, const Int3& tap, Int3& o) const {
    for (size_t k = 0; k < 3; ++k) {
      o[k] = window(k, i[k], tap[k]);
      if (o[k] < 0) return false;
    }
    return true;
  }
  // Offset of an element of x (or of y, given its spatial sizes and channel count) in row-major memory.
  int64_t offset(const Int3& sizes, int64_t channel_count, int64_t n, const Int3& at, int64_t c) const {
    const int64_t place = (at[0] * sizes[1] + at[1]) * sizes[2] + at[2], count = sizes[0] * sizes[1] * sizes[2];
    return channels_first ? (n * channel_count + c) * count + place : (n * count + place) * channel_count + c;
  }
};

WindowGeometry conv_geometry(const Attrs& attrs, const Dims& x, const Dims& kernel, const Dims& y);
WindowGeometry pool_geometry(const Attrs& attrs, const Dims& x, const Dims& y);

// Calls visit(Int3) for all coordinates below `sizes`, last axis fastest.
template <class Visit>
void for_each_place(const Int3& sizes, Visit&& visit) {
  Int3 at{};
  for (at[0] = 0; at[0] < sizes[0]; ++at[0])
    for (at[1] = 0; at[1] < sizes[1]; ++at[1])
      for (at[2] = 0; at[2] < sizes[2]; ++at[2]) visit(static_cast<const Int3&>(at));
}

}  // namespace dl::cpu
