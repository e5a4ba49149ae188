// The functions of ops/elementwise.def for float and double.
// Who uses it: elementwise kernels (compiled once per instruction set), fused kernels, the reference kernels.
// float: exp, expm1, log, log1p, tanh, erf, sigmoid, softplus are branch-free, so that loops over them vectorise; compile such
// loops with -fno-trapping-math, or GCC moves work below a select back into a branch. Within 1 ulp (tanh and sigmoid: 2 ulp).
// They use no fused multiply-add: every instruction set gives the same bits. The others are the C library's.
// double: the C library's; it serves the reference kernels and float64 tests. NaN gives NaN, infinities their limits.
// Everything has internal linkage: a copy compiled for one instruction set must not be linked into code for another.
#pragma once

#include <cmath>
#include <cstdint>

#define DL_SCALAR_FUNCTION [[maybe_unused]] static inline __attribute__((always_inline))

namespace dl::cpu::math {

using std::abs, std::sqrt, std::sin, std::cos, std::tan, std::asin, std::acos, std::atan, std::sinh, std::cosh, std::asinh, std::acosh,
    std::atanh, std::floor, std::ceil, std::nearbyint, std::pow, std::atan2;

// ---- double

DL_SCALAR_FUNCTION double exp(double x) { return std::exp(x); }
DL_SCALAR_FUNCTION double expm1(double x) { return std::expm1(x); }
DL_SCALAR_FUNCTION double log(double x) { return std::log(x); }
DL_SCALAR_FUNCTION double log1p(double x) { return std::log1p(x); }
DL_SCALAR_FUNCTION double tanh(double x) { return std::tanh(x); }
DL_SCALAR_FUNCTION double erf(double x) { return std::erf(x); }
// Only exp(-|x|) is taken, which cannot overflow.
DL_SCALAR_FUNCTION double sigmoid(double x) {
  const double e = std::exp(-std::abs(x));
  const double numerator = x < 0 ? e : 1;
  return numerator / (1 + e);
}
DL_SCALAR_FUNCTION double softplus(double x) { return (x < 0 ? 0 : x) + std::log1p(std::exp(-std::abs(x))); }

// ---- building blocks in double for float results: relative error below 1e-9, arguments in the stated range only

namespace wide {

// Adding 1.5 * 2^52 leaves the nearest integer in the low bits.
inline constexpr double kRound = 0x1.8p52;

struct Reduced {
  double r;      // x - n ln 2, |r| <= ln 2 / 2
  double scale;  // 2^n
};
// |x| < 700 or NaN.
DL_SCALAR_FUNCTION Reduced reduce_exp(double x) {
  const double shifted = x * 0x1.71547652b82fep0 + kRound;
  const double n = shifted - kRound;
  const uint64_t bits = (__builtin_bit_cast(uint64_t, shifted) + 1023) << 52;
  return {x - n * 0x1.62e42fefa39efp-1, __builtin_bit_cast(double, bits)};
}
// exp(r) - 1 for |r| <= ln 2 / 2: Taylor series to r^9.
DL_SCALAR_FUNCTION double expm1_small(double r) {
  double p = 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  return p * r * r + r;
}
// log(u) for normal u > 0: u = 2^e m, m in [sqrt(1/2), sqrt(2)), and the series of fdlibm's e_log.c in (m - 1) / (m + 1).
DL_SCALAR_FUNCTION double log_normal(double u) {
  constexpr uint64_t kSqrtHalf = 0x3fe6a09e667f3bcdu;
  const uint64_t shifted = __builtin_bit_cast(uint64_t, u) + (uint64_t{0x3ff} << 52) - kSqrtHalf;
  const double e = __builtin_bit_cast(double, (shifted >> 52) + __builtin_bit_cast(uint64_t, kRound)) - (kRound + 1023);
  const double f = __builtin_bit_cast(double, (shifted & 0x000fffffffffffffu) + kSqrtHalf) - 1;
  const double s = f / (2 + f), z = s * s;
  double r = 0.14798198605116586;
  r = r * z + 0.15313837699209373;
  r = r * z + 0.1818357216161805;
  r = r * z + 0.22222198432149784;
  r = r * z + 0.2857142874366239;
  r = r * z + 0.3999999999940942;
  r = r * z + 0.6666666666666735;
  const double half_square = 0.5 * f * f;
  return e * 0x1.62e42fefa39efp-1 + (f - (half_square - s * (half_square + r * z)));
}
// log(1 + x) for x > -1: what 1 + x rounds away comes back as a first-order term.
DL_SCALAR_FUNCTION double log1p_above(double x) {
  const double u = 1 + x;
  return log_normal(u) + (x - (u - 1)) / u;
}

// x times a polynomial in x^2 over [0, 16] (Chebyshev expansion of erf(x) / x, relative error 5e-10); erf(4) rounds to 1.
DL_SCALAR_FUNCTION double erf(double w) {
  w = w < -4 ? -4 : w;
  w = w > 4 ? 4 : w;
  const double t = w * w * 0.125 - 1;
  double p = 9.7352005076744529e-5;
  p = p * t - 0.00024670882638532201;
  p = p * t + 0.00015834105341817536;
  p = p * t - 0.00032430257864073346;
  p = p * t + 0.0014380182488648669;
  p = p * t - 0.0029118389977216764;
  p = p * t + 0.0047468294006373451;
  p = p * t - 0.0083820741461036499;
  p = p * t + 0.014397568196491001;
  p = p * t - 0.022563597698227359;
  p = p * t + 0.033047585797651173;
  p = p * t - 0.045744001732572007;
  p = p * t + 0.059888935444079989;
  p = p * t - 0.074730536098261877;
  p = p * t + 0.090208834049284031;
  p = p * t - 0.10771028937936981;
  p = p * t + 0.13167512178023481;
  p = p * t - 0.17657623587308223;
  p = p * t + 0.35353099561883212;
  return w * p;
}

}  // namespace wide

// ---- float

// exp(x) = 2^n exp(r); polynomial of Cephes' expf. 2^n in two factors, so that results may be subnormal or overflow.
DL_SCALAR_FUNCTION float exp(float x) {
  constexpr float kRound = 0x1.8p23f;
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const int32_t i = static_cast<int32_t>(__builtin_bit_cast(uint32_t, shifted) - __builtin_bit_cast(uint32_t, kRound));
  const int32_t half = i >> 1;
  const float first = __builtin_bit_cast(float, static_cast<uint32_t>(half + 127) << 23);
  const float second = __builtin_bit_cast(float, static_cast<uint32_t>(i - half + 127) << 23);
  return p * first * second;
}

DL_SCALAR_FUNCTION float expm1(float x) {
  double w = x;
  w = w < -104 ? -104 : w;
  w = w > 104 ? 104 : w;
  const wide::Reduced e = wide::reduce_exp(w);
  return static_cast<float>(wide::expm1_small(e.r) * e.scale + (e.scale - 1));
}

// The series of fdlibm's e_logf.c.
DL_SCALAR_FUNCTION float log(float x) {
  constexpr uint32_t kSqrtHalf = 0x3f3504f3u;
  const bool tiny = x < 0x1p-126f;
  const float scaled = x * 0x1p23f;
  const float u = tiny ? scaled : x;
  const uint32_t shifted = __builtin_bit_cast(uint32_t, u) - kSqrtHalf;
  const float e = static_cast<float>(static_cast<int32_t>(shifted) >> 23) - (tiny ? 23.0f : 0.0f);
  const float f = __builtin_bit_cast(float, (shifted & 0x007fffffu) + kSqrtHalf) - 1.0f;
  const float s = f / (2.0f + f), z = s * s, w = z * z;
  const float even = w * (0.40000972152f + w * 0.24279078841f);
  const float odd = z * (0.66666662693f + w * 0.28498786688f);
  const float half_square = 0.5f * f * f;
  float y = s * (half_square + even + odd) + e * 9.0580006145e-06f - half_square + f + e * 6.9313812256e-01f;
  y = x == 0.0f ? -HUGE_VALF : y;
  y = x < 0.0f ? __builtin_nanf("") : y;
  y = x == HUGE_VALF ? x : y;
  return x != x ? x : y;
}

DL_SCALAR_FUNCTION float log1p(float x) {
  const double w = x;
  const bool inside = w > -1 && w < HUGE_VAL;
  const double safe = inside ? w : 0;
  const float y = static_cast<float>(wide::log1p_above(safe));
  const float limit = x == -1.0f ? -HUGE_VALF : x == HUGE_VALF ? HUGE_VALF : __builtin_nanf("");
  return inside ? y : limit;
}

// Near 0 the odd polynomial of Cephes' tanhf; elsewhere 1 - 2 / (exp(2 |x|) + 1), whose error is small against 1.
DL_SCALAR_FUNCTION float tanh(float x) {
  const float a = std::abs(x), z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  const float near = p * z * x + x;
  const float far = std::copysign(1.0f - 2.0f / (exp(a + a) + 1.0f), x);
  return a < 0.625f ? near : far;
}

DL_SCALAR_FUNCTION float erf(float x) { return static_cast<float>(wide::erf(x)); }

DL_SCALAR_FUNCTION float sigmoid(float x) {
  const float e = exp(-std::abs(x));
  const float numerator = x < 0.0f ? e : 1.0f;
  return numerator / (1.0f + e);
}

DL_SCALAR_FUNCTION float softplus(float x) {
  double a = -std::abs(static_cast<double>(x));
  a = a < -110 ? -110 : a;
  const wide::Reduced e = wide::reduce_exp(a);
  const double tail = wide::log1p_above((wide::expm1_small(e.r) + 1) * e.scale);
  return static_cast<float>((x < 0.0f ? 0.0 : static_cast<double>(x)) + tail);
}

}  // namespace dl::cpu::math
