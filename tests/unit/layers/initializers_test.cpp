// Initialisers: moments and bounds of what they draw, dependence on seed and name, and messages.
#include "layers/initializers.h"

#include <doctest/doctest.h>

#include <cmath>

#include "base/error.h"
#include "spec/yaml.h"

namespace dl {
namespace {

Initializer of(const std::string& text) {
  spec::Problems problems;
  const spec::Node node = read_initializer(spec::parse_yaml(text, "i"), "i", problems);
  problems.throw_if_any();
  return make_initializer(node);
}

struct Moments {
  double mean = 0, stddev = 0, largest = 0;
};
Moments moments(const Tensor& t) {
  Moments m;
  double squares = 0;
  for (int64_t i = 0; i < t.size(); ++i) {
    m.mean += t.at(i) / static_cast<double>(t.size());
    squares += t.at(i) * t.at(i) / static_cast<double>(t.size());
    m.largest = std::max(m.largest, std::abs(t.at(i)));
  }
  m.stddev = std::sqrt(squares - m.mean * m.mean);
  return m;
}

Tensor draw(const std::string& text, const Dims& dims, const std::string& name = "w", uint64_t seed = 1) {
  return initial_value(of(text), name, DType::kFloat32, dims, seed);
}

}  // namespace

TEST_CASE("variance scaling has Keras's spread") {
  const Dims dims = {3, 3, 64, 128};  // fans 576 and 1152
  const struct {
    const char* name;
    double variance;
    double limit;  // of the draw, in standard deviations of the untruncated distribution
  } cases[] = {
      {"glorot_uniform", 2.0 / (576 + 1152), std::sqrt(3.0)},
      {"GlorotNormal", 2.0 / (576 + 1152), 2 / 0.87962566103423978},
      {"he_normal", 2.0 / 576, 2 / 0.87962566103423978},
      {"HeUniform", 2.0 / 576, std::sqrt(3.0)},
      {"lecun_normal", 1.0 / 576, 2 / 0.87962566103423978},
      {"lecun_uniform", 1.0 / 576, std::sqrt(3.0)},
      {"{VarianceScaling: {scale: 3, mode: fan_out, distribution: untruncated_normal}}", 3.0 / 1152, 8},
  };
  for (const auto& c : cases) {
    CAPTURE(std::string(c.name));
    const Moments m = moments(draw(c.name, dims));
    CHECK(std::abs(m.mean) < 0.01 * std::sqrt(c.variance));
    CHECK(m.stddev == doctest::Approx(std::sqrt(c.variance)).epsilon(0.01));
    CHECK(m.largest <= c.limit * std::sqrt(c.variance) * 1.00001);
  }
}

TEST_CASE("plain distributions") {
  CHECK(moments(draw("zeros", {9})).largest == 0);
  CHECK(draw("ones", {2}).at(1) == 1);
  CHECK(draw("{Constant: {value: 0.25}}", {2}).at(0) == 0.25);
  const Moments normal = moments(draw("{RandomNormal: {mean: 1, stddev: 0.5}}", {50000}));
  CHECK(normal.mean == doctest::Approx(1).epsilon(0.01));
  CHECK(normal.stddev == doctest::Approx(0.5).epsilon(0.01));
  const Moments uniform = moments(draw("uniform", {50000}));
  CHECK(uniform.largest <= 0.05);
  CHECK(uniform.stddev == doctest::Approx(0.1 / std::sqrt(12.0)).epsilon(0.01));
  CHECK(moments(draw("TruncatedNormal", {50000})).largest <= 0.1);
}

TEST_CASE("Orthogonal has orthonormal rows or columns, Identity a diagonal") {
  for (const Dims& dims : {Dims{6, 24}, Dims{24, 6}, Dims{3, 2, 5}}) {
    const Tensor t = draw("{orthogonal: {gain: 2}}", dims);
    const int64_t columns = dims.back(), rows = t.size() / columns;
    const bool by_row = rows < columns;
    for (int64_t a = 0; a < std::min(rows, columns); ++a) {
      for (int64_t b = 0; b <= a; ++b) {
        double dot = 0;
        for (int64_t k = 0; k < std::max(rows, columns); ++k)
          dot += by_row ? t.at(a * columns + k) * t.at(b * columns + k) : t.at(k * columns + a) * t.at(k * columns + b);
        CHECK(dot == doctest::Approx(a == b ? 4 : 0).epsilon(1e-5));
      }
    }
  }
  const Tensor eye = draw("Identity", {2, 3});
  CHECK(eye.at(0) == 1);
  CHECK(eye.at(4) == 1);
  CHECK(eye.at(1) == 0);
  CHECK_THROWS_WITH_AS(draw("Orthogonal", {3}), "weight 'w' [3]: Orthogonal needs at least two axes", UserError);
}

TEST_CASE("a draw depends on seed and name; an own seed on itself alone") {
  CHECK(bit_equal(draw("glorot_uniform", {4, 4}), draw("glorot_uniform", {4, 4})));
  CHECK(!bit_equal(draw("glorot_uniform", {4, 4}), draw("glorot_uniform", {4, 4}, "v")));
  CHECK(!bit_equal(draw("glorot_uniform", {4, 4}), draw("glorot_uniform", {4, 4}, "w", 2)));
  CHECK(bit_equal(draw("{glorot_uniform: {seed: 3}}", {4, 4}, "a", 1), draw("{glorot_uniform: {seed: 3}}", {4, 4}, "b", 2)));
}

TEST_CASE("LSTM's forget gate starts at 1") {
  Initializer initializer = of("ones");
  initializer.config.set("inner", std::string("Zeros"));
  initializer.class_name = "UnitForgetBias";
  const Tensor bias = initial_value(initializer, "b", DType::kFloat32, {8}, 1);
  for (int64_t i = 0; i < 8; ++i) CHECK(bias.at(i) == (i == 2 || i == 3 ? 1 : 0));
}

TEST_CASE("unknown initialisers and keys are reported") {
  CHECK_THROWS_WITH_AS(of("glorot_unifrom"), doctest::Contains("unknown initializer 'glorot_unifrom' (did you mean 'glorot_uniform'?)"),
                       UserError);
  CHECK_THROWS_AS(of("{RandomNormal: {std: 1}}"), UserError);
  CHECK_THROWS_WITH_AS(of("{RandomNormal: {stddev: -1}}"), doctest::Contains("stddev: is -1, must be a number >= 0"), UserError);
}

}  // namespace dl
