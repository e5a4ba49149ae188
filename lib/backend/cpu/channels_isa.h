// Loops over lines of channels (backend/cpu/layouts.h, ChannelBlocks): pooling windows and the passes of batch normalisation, one
// copy per instruction set. Nothing here is threaded; sums run in an order that depends on the arguments only.
// Who uses it: pool.cpp and batch_norm.cpp. T is float, or uint16_t for the bits of a bfloat16.
#pragma once

#include <cstdint>

namespace dl::cpu {

// Which input lines each window reads: window o reads lines places[starts[o]] to places[starts[o + 1] - 1] of a plane, in window order.
struct WindowLines {
  const int32_t* starts;
  const int32_t* places;
  int32_t fixed_count;  // divisor of an average; 0: the number of lines
  bool disjoint;        // no line is read by two windows: gradients are written, not added
};

template <class T>
struct ChannelLoops {
  // Windows [begin, end) of one plane; lines are `width` elements.
  void (*max_pool)(const T* x, T* y, const WindowLines& lines, int64_t begin, int64_t end, int64_t width);
  void (*avg_pool)(const T* x, T* y, const WindowLines& lines, int64_t begin, int64_t end, int64_t width);
  // Adds to dx (or, where windows are disjoint, writes) the share of all `count` windows.
  void (*max_pool_grad)(const T* x, const T* dy, T* dx, const WindowLines& lines, int64_t count, int64_t width);
  void (*avg_pool_grad)(const T* dy, T* dx, const WindowLines& lines, int64_t count, int64_t width);

  // Adds the sum over `rows` lines to sum[width].
  void (*sum)(const T* x, int64_t rows, int64_t width, double* sum);
  // ... of (x - mean)^2
  void (*square_sum)(const T* x, const float* mean, int64_t rows, int64_t width, double* sum);
  // ... of dy, and of dy * (x - mean)
  void (*grad_sums)(const T* x, const T* dy, const float* mean, int64_t rows, int64_t width, double* dy_sum, double* product_sum);
  // y = (x - mean) * scale + shift
  void (*normalize)(const T* x, const float* mean, const float* scale, const float* shift, T* y, int64_t rows, int64_t width);
  // dx = dy * a + (x - mean) * b + c
  void (*normalize_grad)(const T* x, const T* dy, const float* mean, const float* a, const float* b, const float* c, T* dx, int64_t rows,
                         int64_t width);
};

namespace baseline {
const ChannelLoops<float>& channel_loops_float();
const ChannelLoops<uint16_t>& channel_loops_bfloat16();
}  // namespace baseline
namespace avx2 {
const ChannelLoops<float>& channel_loops_float();
const ChannelLoops<uint16_t>& channel_loops_bfloat16();
}  // namespace avx2
namespace avx512 {
const ChannelLoops<float>& channel_loops_float();
const ChannelLoops<uint16_t>& channel_loops_bfloat16();
}  // namespace avx512

}  // namespace dl::cpu
