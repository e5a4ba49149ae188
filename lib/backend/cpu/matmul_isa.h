// Matrix product of small float32 matrices on one thread, one copy per instruction set.
// Who uses it: small_matmul.cpp. The sum over k runs in order, so the bits depend on the instruction set alone.
#pragma once

#include <cstdint>

namespace dl::cpu {

// y[m, n] = sum over k of a[m, k] * b[k, n] (+ bias[n] where not null). Strides in elements; y is row-major.
// `panel` has room for k * kMatmulPanel floats.
struct SmallMatmul {
  int64_t m, n, k;
  int64_t a_row, a_column, b_row, b_column;
};
inline constexpr int64_t kMatmulPanel = 32;
using SmallMatmulFunction = void(const float* a, const float* b, const float* bias, float* y, float* panel, const SmallMatmul& shape);

namespace baseline {
SmallMatmulFunction small_matmul;
}
namespace avx2 {
SmallMatmulFunction small_matmul;
}
namespace avx512 {
SmallMatmulFunction small_matmul;
}

}  // namespace dl::cpu
