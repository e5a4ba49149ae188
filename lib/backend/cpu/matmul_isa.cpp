#include "backend/cpu/matmul_isa.h"

#include "backend/cpu/isa.h"

namespace dl::cpu::DL_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
typedef float Vector __attribute__((vector_size(kLanes * sizeof(float)), aligned(4), may_alias));
constexpr int kRows = 4, kVectors = 2, kTile = kVectors * kLanes;
static_assert(kTile <= kMatmulPanel);

inline __attribute__((always_inline)) Vector multiply_add(Vector a, Vector b, Vector c) {
#ifdef __FMA__
  for (int l = 0; l < kLanes; ++l) c[l] = __builtin_fmaf(a[l], b[l], c[l]);
  return c;
#else
  return a * b + c;
#endif
}

// `rows` rows of kTile results, the first `width` of which exist. Rows of b are b_row apart and kTile long.
template <int rows>
void tile(const float* a, const float* b, int64_t b_row, const float* bias, float* y, int64_t width, const SmallMatmul& s) {
  Vector sum[rows][kVectors] = {};
  for (int64_t k = 0; k < s.k; ++k) {
    const Vector b0 = *reinterpret_cast<const Vector*>(b + k * b_row), b1 = *reinterpret_cast<const Vector*>(b + k * b_row + kLanes);
    for (int r = 0; r < rows; ++r) {
      const float value = a[r * s.a_row + k * s.a_column];
      const Vector spread = Vector{} + value;
      sum[r][0] = multiply_add(spread, b0, sum[r][0]);
      sum[r][1] = multiply_add(spread, b1, sum[r][1]);
    }
  }
  for (int r = 0; r < rows; ++r) {
    float* out = y + r * s.n;
    if (width == kTile && !bias) {
      *reinterpret_cast<Vector*>(out) = sum[r][0];
      *reinterpret_cast<Vector*>(out + kLanes) = sum[r][1];
      continue;
    }
    float row[kTile];
    *reinterpret_cast<Vector*>(row) = sum[r][0];
    *reinterpret_cast<Vector*>(row + kLanes) = sum[r][1];
    for (int64_t j = 0; j < width; ++j) out[j] = bias ? row[j] + bias[j] : row[j];
  }
}

}  // namespace

void small_matmul(const float* a, const float* b, const float* bias, float* y, float* panel, const SmallMatmul& s) {
  for (int64_t j = 0; j < s.n; j += kTile) {
    const int64_t width = s.n - j < kTile ? s.n - j : kTile;
    const float* columns = b + j;
    int64_t b_row = s.b_row;
    if (s.b_column != 1 || width < kTile) {
      for (int64_t k = 0; k < s.k; ++k)
        for (int64_t l = 0; l < kTile; ++l) panel[k * kTile + l] = l < width ? b[k * s.b_row + (j + l) * s.b_column] : 0;
      columns = panel;
      b_row = kTile;
    }
    const float* tile_bias = bias ? bias + j : nullptr;
    int64_t i = 0;
    for (; i + kRows <= s.m; i += kRows) tile<kRows>(a + i * s.a_row, columns, b_row, tile_bias, y + i * s.n + j, width, s);
    for (; i < s.m; ++i) tile<1>(a + i * s.a_row, columns, b_row, tile_bias, y + i * s.n + j, width, s);
  }
}

}  // namespace dl::cpu::DL_ISA
