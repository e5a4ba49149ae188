#include "backend/cpu/strided_copy.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/parallel.h"

namespace dl::cpu {
namespace {

constexpr int64_t kStrip = 32;     // rows handled together; a tile of 32 x 32 floats is 4 KiB
constexpr int64_t kGrain = 32768;  // elements worth a thread

template <class T>
void copy_row(const T* src, T* dst, int64_t n, int64_t src_step, int64_t dst_step) {
  if (dst_step == 1 && src_step == 1) {
    std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
  } else if (dst_step == 1 && src_step == 0) {
    std::fill_n(dst, n, *src);
  } else {
    for (int64_t j = 0; j < n; ++j) dst[j * dst_step] = src[j * src_step];
  }
}

}  // namespace

StridedCopy::StridedCopy(const Index& sizes, const Index& src_strides, const Index& dst_strides, int64_t src_offset, int64_t dst_offset,
                         size_t element_bytes)
    : src_offset_(src_offset), dst_offset_(dst_offset), element_bytes_(element_bytes) {
  for (size_t i = 0; i < sizes.rank; ++i) {
    if (sizes[i] == 1) continue;
    const size_t last = sizes_.rank - 1;
    if (sizes_.rank > 0 && src_[last] == src_strides[i] * sizes[i] && dst_[last] == dst_strides[i] * sizes[i]) {
      sizes_[last] *= sizes[i], src_[last] = src_strides[i], dst_[last] = dst_strides[i];
    } else {
      sizes_[sizes_.rank] = sizes[i], src_[sizes_.rank] = src_strides[i], dst_[sizes_.rank] = dst_strides[i];
      ++sizes_.rank;
    }
  }
  sort_axes();
}

void StridedCopy::sort_axes() {
  while (sizes_.rank < 2) {
    for (Index* index : {&sizes_, &src_, &dst_}) {
      for (size_t i = sizes_.rank; i > 0; --i) (*index)[i] = (*index)[i - 1];
      (*index)[0] = index == &sizes_ ? 1 : 0;
    }
    ++sizes_.rank;
  }
  // The source's innermost axis goes next to last; the order of the others stays.
  size_t inner = sizes_.rank - 1;
  for (size_t i = 0; i < sizes_.rank; ++i)
    if (std::abs(src_[i]) == 1 && sizes_[i] > 1) inner = i;
  for (size_t i = inner; i + 2 < sizes_.rank; ++i)
    for (Index* index : {&sizes_, &src_, &dst_}) std::swap((*index)[i], (*index)[i + 1]);
}

template <class T>
void StridedCopy::run_typed(const T* src, T* dst) const {
  const size_t rank = sizes_.rank;
  const int64_t rows = sizes_[rank - 2], columns = sizes_[rank - 1], strips = (rows + kStrip - 1) / kStrip;
  const int64_t src_row = src_[rank - 2], dst_row = dst_[rank - 2], src_column = src_[rank - 1], dst_column = dst_[rank - 1];
  int64_t outer = 1;
  for (size_t i = 0; i + 2 < rank; ++i) outer *= sizes_[i];
  const int64_t strip_elements = std::min(rows, kStrip) * columns;
  if (strip_elements == 0) return;
  const bool tiled = src_column != 1 && src_column != 0 && std::abs(src_row) == 1;
  const auto copy_strip = [&](int64_t unit) {
    int64_t rest = unit / strips, from = src_offset_, to = dst_offset_;
    for (size_t i = rank - 2; i-- > 0; rest /= sizes_[i]) from += rest % sizes_[i] * src_[i], to += rest % sizes_[i] * dst_[i];
    const int64_t first = unit % strips * kStrip, last = std::min(rows, first + kStrip);
    if (!tiled) {
      for (int64_t i = first; i < last; ++i) copy_row(src + from + i * src_row, dst + to + i * dst_row, columns, src_column, dst_column);
      return;
    }
    for (int64_t start = 0; start < columns; start += kStrip) {  // tiles, so that both sides stay in the nearest cache
      const int64_t end = std::min(columns, start + kStrip);
      for (int64_t i = first; i < last; ++i) {
        const T* s = src + from + i * src_row;
        T* d = dst + to + i * dst_row;
        for (int64_t j = start; j < end; ++j) d[j * dst_column] = s[j * src_column];
      }
    }
  };
  parallel_for(outer * strips, std::max<int64_t>(1, kGrain / strip_elements), [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) copy_strip(unit);
  });
}

void StridedCopy::run(const void* src, void* dst) const {
  switch (element_bytes_) {
    case 1:
      return run_typed(static_cast<const uint8_t*>(src), static_cast<uint8_t*>(dst));
    case 2:
      return run_typed(static_cast<const uint16_t*>(src), static_cast<uint16_t*>(dst));
    case 4:
      return run_typed(static_cast<const uint32_t*>(src), static_cast<uint32_t*>(dst));
    default:
      return run_typed(static_cast<const uint64_t*>(src), static_cast<uint64_t*>(dst));
  }
}

}  // namespace dl::cpu
