// The functions of ops/elementwise.def for float and double.
// double: the C++ library. They serve the reference kernels and float64 tests.
#pragma once

#include <cmath>

namespace dl::cpu::math {

using std::abs, std::exp, std::expm1, std::log, std::log1p, std::sqrt, std::sin, std::cos, std::tan, std::asin, std::acos, std::atan,
    std::sinh, std::cosh, std::asinh, std::acosh, std::atanh, std::tanh, std::erf, std::floor, std::ceil, std::nearbyint, std::pow,
    std::atan2;

// Only exp(-|x|) is taken, which cannot overflow.
inline double sigmoid(double x) {
  const double e = std::exp(-std::abs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}
inline double softplus(double x) { return x != x ? x : (x > 0 ? x : 0) + std::log1p(std::exp(-std::abs(x))); }

}  // namespace dl::cpu::math
