#include "backend/cpu/channels_isa.h"

#include "backend/cpu/isa.h"

namespace dl::cpu::DL_ISA {
namespace {

#define DL_INLINE inline __attribute__((always_inline))

constexpr int64_t kLanes = 16;
constexpr int64_t kRun = 32;  // lines summed in float32 before they are added in double

DL_INLINE float widen(float x) { return x; }
DL_INLINE float widen(uint16_t x) { return __builtin_bit_cast(float, uint32_t{x} << 16); }
DL_INLINE uint16_t narrow(float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16, quiet = bits >> 16 | 0x40u;
  return static_cast<uint16_t>(x != x ? quiet : rounded);
}

// `n` values as one vector register (or one value), since the compiler does not make vectors of short loops with selects.
template <int64_t n>
struct Lanes {
  typedef float F __attribute__((vector_size(n * 4), aligned(4), may_alias));
  typedef int32_t I __attribute__((vector_size(n * 4), aligned(4), may_alias));
  typedef uint32_t U __attribute__((vector_size(n * 4), aligned(4), may_alias));
  typedef uint16_t H __attribute__((vector_size(n * 2), aligned(2), may_alias));
};
template <>
struct Lanes<1> {
  using F = float;
  using I = int32_t;
};

template <int64_t n>
DL_INLINE typename Lanes<n>::F load(const float* p) {
  if constexpr (n == 1)
    return *p;
  else
    return *reinterpret_cast<const typename Lanes<n>::F*>(p);
}
template <int64_t n>
DL_INLINE typename Lanes<n>::F load(const uint16_t* p) {
  if constexpr (n == 1) {
    return widen(*p);
  } else {
    const auto bits = __builtin_convertvector(*reinterpret_cast<const typename Lanes<n>::H*>(p), typename Lanes<n>::U) << 16;
    return reinterpret_cast<typename Lanes<n>::F>(bits);
  }
}
template <int64_t n>
DL_INLINE void store(float* p, typename Lanes<n>::F x) {
  if constexpr (n == 1)
    *p = x;
  else
    *reinterpret_cast<typename Lanes<n>::F*>(p) = x;
}
template <int64_t n>
DL_INLINE void store(uint16_t* p, typename Lanes<n>::F x) {
  if constexpr (n == 1) {
    *p = narrow(x);
  } else {
    using U = typename Lanes<n>::U;  // as narrow(), in one register
    const U bits = reinterpret_cast<U>(x), rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16, quiet = bits >> 16 | 0x40u;
    *reinterpret_cast<typename Lanes<n>::H*>(p) = __builtin_convertvector(x != x ? quiet : rounded, typename Lanes<n>::H);
  }
}

// Calls f.operator()<lanes>(first) for pieces of `width`: as many lanes as a register has, then one by one.
template <class F>
DL_INLINE void for_registers(int64_t width, const F& f) {
  int64_t c = 0;
#ifdef __AVX512F__
  for (; c + 16 <= width; c += 16) f.template operator()<16>(c);
#endif
#ifdef __AVX2__
  for (; c + 8 <= width; c += 8) f.template operator()<8>(c);
#endif
  for (; c + 4 <= width; c += 4) f.template operator()<4>(c);
  for (; c < width; ++c) f.template operator()<1>(c);
}

template <class T>
void max_pool(const T* x, T* y, const WindowLines& lines, int64_t begin, int64_t end, int64_t width) {
  for (int64_t o = begin; o < end; ++o) {
    const int32_t *place = lines.places + lines.starts[o], *stop = lines.places + lines.starts[o + 1];
    T* out = y + o * width;
    for_registers(width, [&]<int64_t lanes>(int64_t c) {
      auto best = load<lanes>(x + *place * width + c);
      for (const int32_t* p = place + 1; p != stop; ++p) {
        const auto v = load<lanes>(x + *p * width + c);
        best = (v > best) | (v != v) ? v : best;
      }
      store<lanes>(out + c, best);
    });
  }
}

template <class T>
void max_pool_grad(const T* x, const T* dy, T* dx, const WindowLines& lines, int64_t count, int64_t width) {
  for (int64_t o = 0; o < count; ++o) {
    const int32_t* places = lines.places + lines.starts[o];
    const int32_t taps = lines.starts[o + 1] - lines.starts[o];
    const T* in = dy + o * width;
    for_registers(width, [&]<int64_t lanes>(int64_t c) {
      using F = typename Lanes<lanes>::F;
      using I = typename Lanes<lanes>::I;
      const F share = load<lanes>(in + c), zero = {};
      F best = load<lanes>(x + *places * width + c);
      I winner = {};
      for (int32_t t = 1; t < taps; ++t) {
        const F v = load<lanes>(x + places[t] * width + c);
        const auto wins = (v > best) | ((v != v) & (best == best));
        best = wins ? v : best;
        winner = wins ? I{} + t : winner;
      }
      for (int32_t t = 0; t < taps; ++t) {
        T* line = dx + places[t] * width + c;
        const F part = winner == I{} + t ? share : zero;
        store<lanes>(line, lines.disjoint ? part : load<lanes>(line) + part);
      }
    });
  }
}

DL_INLINE float divisor(const WindowLines& lines, int64_t o) {
  return static_cast<float>(lines.fixed_count ? lines.fixed_count : lines.starts[o + 1] - lines.starts[o]);
}

template <class T>
void avg_pool(const T* x, T* y, const WindowLines& lines, int64_t begin, int64_t end, int64_t width) {
  for (int64_t o = begin; o < end; ++o) {
    const int32_t *place = lines.places + lines.starts[o], *stop = lines.places + lines.starts[o + 1];
    const float count = divisor(lines, o);
    T* out = y + o * width;
    for_registers(width, [&]<int64_t lanes>(int64_t c) {
      typename Lanes<lanes>::F sum = {};
      for (const int32_t* p = place; p != stop; ++p) sum += load<lanes>(x + *p * width + c);
      store<lanes>(out + c, sum / count);
    });
  }
}

template <class T>
void avg_pool_grad(const T* dy, T* dx, const WindowLines& lines, int64_t count, int64_t width) {
  for (int64_t o = 0; o < count; ++o) {
    const int32_t *place = lines.places + lines.starts[o], *stop = lines.places + lines.starts[o + 1];
    const float cells = divisor(lines, o);
    const T* in = dy + o * width;
    for_registers(width, [&]<int64_t lanes>(int64_t c) {
      const auto share = load<lanes>(in + c) / cells;
      for (const int32_t* p = place; p != stop; ++p) {
        T* line = dx + *p * width + c;
        store<lanes>(line, lines.disjoint ? share : load<lanes>(line) + share);
      }
    });
  }
}

// Calls f.operator()<lanes>(first) for pieces of `width`: 16 lanes, then 8, then one by one.
template <class F>
DL_INLINE void for_pieces(int64_t width, const F& f) {
  int64_t c = 0;
  for (; c + kLanes <= width; c += kLanes) f.template operator()<kLanes>(c);
  for (; c + kLanes / 2 <= width; c += kLanes / 2) f.template operator()<kLanes / 2>(c);
  for (; c < width; ++c) f.template operator()<1>(c);
}

// sums[k][c] += sum over rows of term k, which `terms` gives for (row offset, channel).
template <int count, class Terms>
DL_INLINE void sum_rows(int64_t rows, int64_t width, double* const (&sums)[count], const Terms& terms) {
  for (int64_t r = 0; r < rows; r += kRun) {
    const int64_t stop = rows < r + kRun ? rows : r + kRun;
    for_pieces(width, [&]<int64_t lanes>(int64_t c) {
      float part[count][lanes] = {};
      for (int64_t i = r; i < stop; ++i) terms.template operator()<lanes>(i * width, c, part);
      for (int k = 0; k < count; ++k)
        for (int64_t l = 0; l < lanes; ++l) sums[k][c + l] += static_cast<double>(part[k][l]);
    });
  }
}

template <class T>
void sum(const T* x, int64_t rows, int64_t width, double* total) {
  sum_rows<1>(rows, width, {total}, [&]<int64_t lanes>(int64_t row, int64_t c, float(&part)[1][lanes]) {
    for (int64_t l = 0; l < lanes; ++l) part[0][l] += widen(x[row + c + l]);
  });
}

template <class T>
void square_sum(const T* x, const float* mean, int64_t rows, int64_t width, double* total) {
  sum_rows<1>(rows, width, {total}, [&]<int64_t lanes>(int64_t row, int64_t c, float(&part)[1][lanes]) {
    for (int64_t l = 0; l < lanes; ++l) {
      const float d = widen(x[row + c + l]) - mean[c + l];
      part[0][l] += d * d;
    }
  });
}

template <class T>
void grad_sums(const T* x, const T* dy, const float* mean, int64_t rows, int64_t width, double* dy_sum, double* product_sum) {
  sum_rows<2>(rows, width, {dy_sum, product_sum}, [&]<int64_t lanes>(int64_t row, int64_t c, float(&part)[2][lanes]) {
    for (int64_t l = 0; l < lanes; ++l) {
      const float d = widen(dy[row + c + l]);
      part[0][l] += d;
      part[1][l] += d * (widen(x[row + c + l]) - mean[c + l]);
    }
  });
}

template <class T>
void normalize(const T* x, const float* mean, const float* scale, const float* shift, T* y, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; ++r, x += width, y += width)
    for_registers(width, [&]<int64_t lanes>(int64_t c) {
      store<lanes>(y + c, (load<lanes>(x + c) - load<lanes>(mean + c)) * load<lanes>(scale + c) + load<lanes>(shift + c));
    });
}

template <class T>
void normalize_grad(const T* x, const T* dy, const float* mean, const float* a, const float* b, const float* k, T* dx, int64_t rows,
                    int64_t width) {
  for (int64_t r = 0; r < rows; ++r, x += width, dy += width, dx += width)
    for_registers(width, [&]<int64_t lanes>(int64_t c) {
      const auto centered = load<lanes>(x + c) - load<lanes>(mean + c);
      store<lanes>(dx + c, load<lanes>(dy + c) * load<lanes>(a + c) + centered * load<lanes>(b + c) + load<lanes>(k + c));
    });
}

template <class T>
constexpr ChannelLoops<T> kLoops = {max_pool<T>,   avg_pool<T>,  max_pool_grad<T>, avg_pool_grad<T>, sum<T>,
                                    square_sum<T>, grad_sums<T>, normalize<T>,     normalize_grad<T>};

}  // namespace

const ChannelLoops<float>& channel_loops_float() { return kLoops<float>; }
const ChannelLoops<uint16_t>& channel_loops_bfloat16() { return kLoops<uint16_t>; }

}  // namespace dl::cpu::DL_ISA
