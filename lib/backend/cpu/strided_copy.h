// Copies between strided views of tensors: transpose, broadcast, slice, pad and concat are this with other strides.
// Who uses it: loops_move.cpp.
#pragma once

#include <cstdint>

#include "backend/cpu/strides.h"

namespace dl::cpu {

// Strides and offsets count elements; they may be 0 (source only) or negative. The elements of the target are distinct.
class StridedCopy {
 public:
  StridedCopy() = default;
  StridedCopy(const Index& sizes, const Index& src_strides, const Index& dst_strides, int64_t src_offset, int64_t dst_offset,
              size_t element_bytes);
  void run(const void* src, void* dst) const;

 private:
  void sort_axes();
  template <class T>
  void run_typed(const T* src, T* dst) const;

  Index sizes_, src_, dst_;  // merged; the last axis is the target's innermost, the one before it the source's where that is another
  int64_t src_offset_ = 0, dst_offset_ = 0;
  size_t element_bytes_ = 1;
};

}  // namespace dl::cpu
