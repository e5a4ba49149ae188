// Layers with random numbers in training: mean and variance of what they give, and that seed and step decide it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "unit/layers/train_once.h"

namespace dl {
namespace {

Tensor filled(const Dims& dims, double value) {
  Tensor t(DType::kFloat32, dims);
  for (int64_t i = 0; i < t.size(); ++i) t.set(i, value);
  return t;
}

struct MeanAndVariance {
  double mean = 0, variance = 0;
};

MeanAndVariance moments_of(const Tensor& t) {
  MeanAndVariance m;
  for (int64_t i = 0; i < t.size(); ++i) m.mean += t.at(i) / static_cast<double>(t.size());
  for (int64_t i = 0; i < t.size(); ++i) m.variance += std::pow(t.at(i) - m.mean, 2) / static_cast<double>(t.size());
  return m;
}

bool same(const Tensor& a, const Tensor& b) {
  for (int64_t i = 0; i < a.size(); ++i)
    if (a.at(i) != b.at(i)) return false;
  return true;
}

constexpr double kFloor = -1.7580993408473766;  // of selu

}  // namespace

TEST_CASE("noise has the mean and variance that Keras documents") {
  const Tensor ones = filled({64, 512}, 1);
  // Standard error of the mean of 32768 numbers is about 0.005 times the deviation; these bounds are 4 of them.
  const MeanAndVariance gaussian = moments_of(train_once("GaussianDropout: {rate: 0.2}", ones, 0));
  CHECK(std::abs(gaussian.mean - 1) < 0.011);
  CHECK(std::abs(gaussian.variance - 0.25) < 0.008);
  const MeanAndVariance dropout = moments_of(train_once("Dropout: {rate: 0.25}", ones, 0));
  CHECK(std::abs(dropout.mean - 1) < 0.013);
  CHECK(std::abs(dropout.variance - 0.25 / 0.75) < 0.02);
  const MeanAndVariance noise = moments_of(train_once("GaussianNoise: {stddev: 0.5}", ones, 0));
  CHECK(std::abs(noise.mean - 1) < 0.011);
  CHECK(std::abs(noise.variance - 0.25) < 0.008);
}

TEST_CASE("AlphaDropout keeps mean 0 and variance 1") {
  Tensor x(DType::kFloat32, {64, 512});
  for (int64_t i = 0; i < x.size(); ++i) x.set(i, i % 2 ? 1 : -1);
  const Tensor y = train_once("AlphaDropout: {rate: 0.3}", x, 0);
  const MeanAndVariance m = moments_of(y);
  CHECK(std::abs(m.mean) < 0.022);
  CHECK(std::abs(m.variance - 1) < 0.04);
  // Three values: a * 1 + b, a * -1 + b and the floor.
  const double a = 1 / std::sqrt(0.7 * (1 + 0.3 * kFloor * kFloor)), b = -a * kFloor * 0.3;
  int64_t dropped = 0;
  for (int64_t i = 0; i < y.size(); ++i) {
    const double kept = std::abs(y.at(i) - (a * x.at(i) + b)), floor = std::abs(y.at(i) - (a * kFloor + b));
    CHECK(std::min(kept, floor) < 1e-5);
    dropped += floor < 1e-5;
  }
  CHECK(std::abs(static_cast<double>(dropped) / static_cast<double>(y.size()) - 0.3) < 0.011);
}

TEST_CASE("spatial dropout takes whole channels") {
  const Tensor y = train_once("SpatialDropout2D: {rate: 0.5}", filled({16, 3, 2, 64}, 1), 0);
  double kept = 0;
  for (int64_t sample = 0; sample < 16; ++sample) {
    for (int64_t channel = 0; channel < 64; ++channel) {
      std::set<double> values;
      for (int64_t cell = 0; cell < 6; ++cell) values.insert(y.at((sample * 6 + cell) * 64 + channel));
      REQUIRE(values.size() == 1);
      CHECK((*values.begin() == 0 || *values.begin() == 2));
      kept += *values.begin() / 2 / (16 * 64);
    }
  }
  CHECK(std::abs(kept - 0.5) < 0.0625);
  const Tensor first = train_once("SpatialDropout3D: {rate: 0.5, data_format: channels_first}", filled({2, 32, 2, 1, 2}, 1), 0);
  for (int64_t channel = 0; channel < 64; ++channel)
    for (int64_t cell = 1; cell < 4; ++cell) CHECK(first.at(channel * 4 + cell) == first.at(channel * 4));
}

TEST_CASE("seed and step decide the noise") {
  const Tensor x = filled({4, 3, 16}, 1);
  for (const std::string name : {"Dropout", "GaussianDropout", "AlphaDropout", "SpatialDropout1D"}) {
    CAPTURE(name);
    const Tensor y = train_once(name + ": {rate: 0.5, seed: 7}", x, 3);
    CHECK(same(y, train_once(name + ": {rate: 0.5, seed: 7}", x, 3)));
    CHECK(!same(y, train_once(name + ": {rate: 0.5, seed: 7}", x, 4)));
    CHECK(!same(y, train_once(name + ": {rate: 0.5, seed: 8}", x, 3)));
    CHECK(same(x, train_once(name + ": {rate: 0}", x, 3)));
  }
}

TEST_CASE("an alpha of noise_shape broadcasts") {
  const Tensor y = train_once("AlphaDropout: {rate: 0.5, noise_shape: [null, 1, null]}", filled({2, 3, 16}, 1), 0);
  for (int64_t sample = 0; sample < 2; ++sample)
    for (int64_t unit = 0; unit < 16; ++unit)
      for (int64_t step = 1; step < 3; ++step) CHECK(y.at((sample * 3 + step) * 16 + unit) == y.at(sample * 48 + unit));
}

TEST_CASE("ActivityRegularization adds to the loss, per sample, and only in training") {
  const std::string text = "inputs: {x: [3]}\nlayers:\n  - ActivityRegularization: {l1: 0.5, l2: 0.25}\n";
  CHECK(Built(text).result.losses.empty());
  Built b(text, Mode::kTraining);
  REQUIRE(b.result.losses.size() == 1);
  Program program;
  program.graph = b.graph;
  program.inputs = b.result.inputs;
  program.outputs = {{"loss", b.result.losses[0].value}};
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  Session session(*cpu, {});
  const Tensor x = Tensor::from<float>({2, 3}, std::vector<float>{1, -2, 0, 3, 0, -1});
  CHECK(session.run(session.add(program), {x}).output(0).at(0) == doctest::Approx((0.5 * 7 + 0.25 * 15) / 2));
}

TEST_CASE("TimeDistributed takes any number of steps, except where a step's statistics are its own") {
  const std::string inputs = "inputs: {x: [null, 4, 3]}\nlayers:\n  - TimeDistributed: ";
  CHECK(Built(inputs + "{layer: {Flatten: {}}}\n").shape() == "[batch, time, 12]");
  CHECK(Built(inputs + "{layer: {LSTM: {units: 5}}}\n", Mode::kTraining).shape() == "[batch, time, 5]");
  const std::string normalized = inputs + "{layer: {BatchNormalization: {}}}\n";
  CHECK(Built(normalized).shape() == "[batch, time, 4, 3]");
  CHECK_THROWS_WITH_AS(Built(normalized, Mode::kTraining), doctest::Contains("needs to know the number of steps 'time'"), UserError);
  CHECK(problems_of("inputs: {x: [3, 4]}\nlayers:\n  - TimeDistributed: {layer: {Add: {}}}\n").find("must be a layer of one input") !=
        std::string::npos);
}

TEST_CASE("wrong sizes of the new layers are refused with both sizes") {
  const auto error_of = [](const std::string& inputs, const std::string& layer) -> std::string {
    try {
      Built("inputs: {" + inputs + "}\nlayers:\n  - " + layer + "\n");
    } catch (const UserError& error) {
      return error.what();
    }
    return "";
  };
  CHECK(error_of("x: [4, 2]", "Cropping1D: {cropping: 2}").find("takes 4 of the 4 elements of axis 1") != std::string::npos);
  CHECK(error_of("a: [3, 4], b: [2, 5]", "Dot: {axes: 2, inputs: [a, b]}").find("have sizes 4 and 5") != std::string::npos);
  CHECK(error_of("x: [4]", "PReLU: {shared_axes: [2]}").find("shared_axes names axis 2") != std::string::npos);
  CHECK(error_of("x: [4, 2]", "RepeatVector: {n: 2}").find("needs [batch, features]") != std::string::npos);
  CHECK(error_of("x: [4, 2]", "UpSampling3D:").find("[batch, depth, height, width, channels]") != std::string::npos);
  CHECK(error_of("x: [5, 3], m: [4]", "Softmax: {inputs: [x, m]}").find("must broadcast") != std::string::npos);
}

}  // namespace dl
