// The float functions against the C library in long double, in units of the last place of the result.
#include "backend/cpu/scalar_math.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cfloat>
#include <limits>

namespace math = dl::cpu::math;

namespace {

using Real = long double;

Real ulp_of(Real value) {
  if (value == 0) return 0x1p-149L;
  int exponent = 0;
  std::frexp(value, &exponent);
  return std::ldexp(1.0L, std::max(exponent - 24, -149));
}

template <class F, class Exact>
double worst_ulp(F f, Exact exact, float low, float high, int count = 200000) {
  Real worst = 0;
  float where = low;
  for (int i = 0; i <= count; ++i) {
    const float x = low + (high - low) * (static_cast<float>(i) / static_cast<float>(std::max(count, 1)));
    const Real truth = exact(static_cast<Real>(x));
    const Real error = std::abs(static_cast<Real>(f(x)) - truth) / ulp_of(truth);
    if (!(error <= worst)) worst = error, where = x;
  }
  INFO("worst at ", where);
  CHECK(worst == worst);
  return static_cast<double>(worst);
}

// Also tiny arguments of both signs, where a relative error would show.
template <class F, class Exact>
double worst_ulp_near_zero(F f, Exact exact) {
  double worst = 0;
  for (float x = 1.0f; x > FLT_MIN; x *= 0.83f) {
    worst = std::max({worst, worst_ulp(f, exact, x, x, 0), worst_ulp(f, exact, -x, -x, 0)});
  }
  return worst;
}

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

#define DL_FLOAT_FUNCTION(name) [](float x) { return math::name(x); }
#define DL_EXACT_FUNCTION(name) [](Real x) { return std::name(x); }

Real exact_sigmoid(Real x) { return 1 / (1 + std::exp(-x)); }
Real exact_softplus(Real x) { return std::max(x, 0.0L) + std::log1p(std::exp(-std::abs(x))); }

}  // namespace

TEST_CASE("float functions are within their bounds") {
  CHECK(worst_ulp(DL_FLOAT_FUNCTION(exp), DL_EXACT_FUNCTION(exp), -103.9f, 88.72f) < 1.01);
  CHECK(worst_ulp(DL_FLOAT_FUNCTION(exp), DL_EXACT_FUNCTION(exp), -1, 1) < 1.01);
  CHECK(worst_ulp(DL_FLOAT_FUNCTION(expm1), DL_EXACT_FUNCTION(expm1), -20, 88) < 0.52);
  CHECK(worst_ulp_near_zero(DL_FLOAT_FUNCTION(expm1), DL_EXACT_FUNCTION(expm1)) < 0.52);
  CHECK(worst_ulp(DL_FLOAT_FUNCTION(log), DL_EXACT_FUNCTION(log), 1e-3f, 3) < 1.0);
  CHECK(worst_ulp(DL_FLOAT_FUNCTION(log), DL_EXACT_FUNCTION(log), 3, 3e38f) < 1.0);
  CHECK(worst_ulp(DL_FLOAT_FUNCTION(log), DL_EXACT_FUNCTION(log), 1e-45f, 1e-37f) < 1.0);
  CHECK(worst_ulp(DL_FLOAT_FUNCTION(log1p), DL_EXACT_FUNCTION(log1p), -0.999999f, 10) < 0.52);
  CHECK(worst_ulp_near_zero([](float x) { return math::log1p(x * 0.99f); },
                            [](Real x) { return std::log1p(static_cast<Real>(static_cast<float>(x) * 0.99f)); }) < 0.52);
  CHECK(worst_ulp(DL_FLOAT_FUNCTION(tanh), DL_EXACT_FUNCTION(tanh), -12, 12) < 2.0);
  CHECK(worst_ulp_near_zero(DL_FLOAT_FUNCTION(tanh), DL_EXACT_FUNCTION(tanh)) < 2.0);
  CHECK(worst_ulp(DL_FLOAT_FUNCTION(erf), DL_EXACT_FUNCTION(erf), -5, 5) < 0.52);
  CHECK(worst_ulp_near_zero(DL_FLOAT_FUNCTION(erf), DL_EXACT_FUNCTION(erf)) < 0.52);
  CHECK(worst_ulp(DL_FLOAT_FUNCTION(sigmoid), exact_sigmoid, -80, 20) < 2.5);
  CHECK(worst_ulp(DL_FLOAT_FUNCTION(softplus), exact_softplus, -100, 100) < 0.52);
}

TEST_CASE("NaN propagates, infinities give limits") {
  const auto is_nan = [](float x) { return x != x; };
  CHECK((is_nan(math::exp(kNan)) && is_nan(math::expm1(kNan)) && is_nan(math::log(kNan)) && is_nan(math::log1p(kNan)) &&
         is_nan(math::tanh(kNan)) && is_nan(math::erf(kNan)) && is_nan(math::sigmoid(kNan)) && is_nan(math::softplus(kNan))));
  CHECK((is_nan(math::sigmoid(std::nan(""))) && is_nan(math::softplus(std::nan("")))));
  CHECK((math::exp(kInf) == kInf && math::exp(-kInf) == 0 && math::exp(100.0f) == kInf && math::exp(-200.0f) == 0));
  CHECK(math::exp(-103.0f) > 0);  // subnormal
  CHECK((math::expm1(kInf) == kInf && math::expm1(-kInf) == -1));
  CHECK((math::log(kInf) == kInf && math::log(0.0f) == -kInf && math::log(-0.0f) == -kInf && is_nan(math::log(-1.0f)) &&
         is_nan(math::log(-kInf))));
  CHECK((math::log1p(kInf) == kInf && math::log1p(-1.0f) == -kInf && is_nan(math::log1p(-2.0f)) && is_nan(math::log1p(-kInf))));
  CHECK((math::tanh(kInf) == 1 && math::tanh(-kInf) == -1 && math::erf(kInf) == 1 && math::erf(-kInf) == -1));
  CHECK((math::sigmoid(kInf) == 1 && math::sigmoid(-kInf) == 0 && math::sigmoid(500.0f) == 1 && math::sigmoid(-500.0f) == 0));
  CHECK((math::softplus(kInf) == kInf && math::softplus(-kInf) == 0 && math::softplus(300.0f) == 300 && math::softplus(-300.0f) == 0));
  CHECK((math::sigmoid(-1e300) == 0 && math::sigmoid(1e300) == 1 && math::softplus(1e300) == 1e300));
  CHECK((math::exp(0.0f) == 1 && math::log(1.0f) == 0 && math::tanh(0.0f) == 0 && math::erf(0.0f) == 0 && math::sigmoid(0.0f) == 0.5f));
}
