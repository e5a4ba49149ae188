#include "backend/cpu/matmul_isa.h"

#ifdef __FMA__
#include <immintrin.h>
#endif

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
constexpr int kRows = 6, kVectors = 2, kTile = kVectors * kLanes;
static_assert(kTile <= kMatmulPanel);

// a * b + c; the compiler itself contracts nothing here (-ffp-contract=off).
inline __attribute__((always_inline)) Vector multiply_add(Vector a, Vector b, Vector c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}

inline __attribute__((always_inline)) Vector spread(float x) {
#if defined(__AVX512F__)
  return _mm512_set1_ps(x);
#elif defined(__FMA__)
  return _mm256_set1_ps(x);
#else
  return Vector{x, x, x, x};
#endif
}

// `rows` rows of results, `vectors` vectors wide, the first `width` of which exist. Rows of b are b_row apart.
template <int rows, int vectors>
void tile(const float* a, const float* b, int64_t b_row, const float* bias, float* y, int64_t width, const SmallMatmul& s) {
  Vector sum[rows][vectors] = {};
  const int64_t a_row = s.a_row, a_column = s.a_column;
  for (int64_t k = 0; k < s.k; ++k, a += a_column, b += b_row) {
    Vector line[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) line[v] = *reinterpret_cast<const Vector*>(b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const Vector value = spread(a[r * a_row]);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) sum[r][v] = multiply_add(value, line[v], sum[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) {
    float row[vectors * kLanes];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) *reinterpret_cast<Vector*>(row + v * kLanes) = sum[r][v];
    for (int64_t j = 0; j < width; ++j) y[r * s.n + j] = bias ? row[j] + bias[j] : row[j];
  }
}

template <int vectors>
void columns(const float* a, const float* b, int64_t b_row, const float* bias, float* y, int64_t width, const SmallMatmul& s) {
  for (int64_t i = 0; i < s.m; i += kRows) {
    const float* rows = a + i * s.a_row;
    float* out = y + i * s.n;
    switch (s.m - i) {
      case 1:
        tile<1, vectors>(rows, b, b_row, bias, out, width, s);
        break;
      case 2:
        tile<2, vectors>(rows, b, b_row, bias, out, width, s);
        break;
      case 3:
        tile<3, vectors>(rows, b, b_row, bias, out, width, s);
        break;
      case 4:
        tile<4, vectors>(rows, b, b_row, bias, out, width, s);
        break;
      case 5:
        tile<5, vectors>(rows, b, b_row, bias, out, width, s);
        break;
      default:
        tile<kRows, vectors>(rows, b, b_row, bias, out, width, s);
    }
  }
}

}  // namespace

void small_matmul(const float* a, const float* b, const float* bias, float* y, float* panel, const SmallMatmul& s) {
  for (int64_t j = 0; j < s.n; j += kTile) {
    const int64_t width = s.n - j < kTile ? s.n - j : kTile;
    const float* part = b + j;
    int64_t b_row = s.b_row;
    if (s.b_column != 1 || width < kTile) {
      for (int64_t k = 0; k < s.k; ++k) {
        float* line = panel + k * kTile;
        const float* from = b + k * s.b_row + j * s.b_column;
        for (int64_t l = 0; l < width; ++l) line[l] = from[l * s.b_column];
        for (int64_t l = width; l < kTile; ++l) line[l] = 0;
      }
      part = panel;
      b_row = kTile;
    }
    const float* tile_bias = bias ? bias + j : nullptr;
    if (width <= kLanes)
      columns<1>(a, part, b_row, tile_bias, y + j, width, s);
    else
      columns<kVectors>(a, part, b_row, tile_bias, y + j, width, s);
  }
}

}  // namespace dl::cpu::DL_ISA
