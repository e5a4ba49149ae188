// Image layers that draw numbers: what may come out, how often, and the same again for the same step. Their numbers for given
// parameters are judged by Keras in keras_gradients_test.cpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "unit/layers/train_once.h"

namespace dl {
namespace {

// Every element another number: sample, row, column, channel as digits of base 10, all sizes at most 10 but the batch.
Tensor numbered(const Dims& dims) {
  Tensor x(DType::kFloat32, dims);
  for (int64_t n = 0, i = 0; n < dims[0]; ++n)
    for (int64_t h = 0; h < dims[1]; ++h)
      for (int64_t w = 0; w < dims[2]; ++w)
        for (int64_t c = 0; c < dims[3]; ++c) x.set(i++, static_cast<double>(n * 1000 + h * 100 + w * 10 + c));
  return x;
}

double at(const Tensor& t, int64_t n, int64_t h, int64_t w, int64_t c) {
  return t.at(((n * t.dims()[1] + h) * t.dims()[2] + w) * t.dims()[3] + c);
}

std::string error_of(const std::string& layer, const std::string& shape) {
  try {
    const Built b("inputs: {x: " + shape + "}\nlayers:\n  - " + layer + "\n", Mode::kTraining);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("RandomFlip mirrors half of the images") {
  const Tensor x = numbered({400, 3, 4, 2});
  for (const std::string mode : {"horizontal", "vertical", "horizontal_and_vertical"}) {
    const Tensor y = train_once("RandomFlip: {mode: " + mode + "}", x, 3);
    int64_t flipped = 0, wrong = 0;
    for (int64_t n = 0; n < 400; ++n) {
      const bool is_flipped = at(y, n, 0, 0, 0) != at(x, n, 0, 0, 0);
      flipped += is_flipped;
      for (int64_t h = 0; h < 3; ++h)
        for (int64_t w = 0; w < 4; ++w)
          for (int64_t c = 0; c < 2; ++c) {
            const int64_t row = is_flipped && mode != "horizontal" ? 2 - h : h, column = is_flipped && mode != "vertical" ? 3 - w : w;
            wrong += at(y, n, h, w, c) != at(x, n, row, column, c);
          }
    }
    CHECK(wrong == 0);
    CHECK(flipped > 160);
    CHECK(flipped < 240);
  }
}

TEST_CASE("RandomCrop takes a part at the same place of every image, and every place in turn") {
  const Tensor x = numbered({2, 5, 6, 2});
  std::set<double> corners;
  for (int64_t step = 0; step < 200; ++step) {
    const Tensor y = train_once("RandomCrop: {height: 3, width: 5}", x, step);
    REQUIRE(y.dims() == Dims{2, 3, 5, 2});
    const double corner = y.at(0);
    corners.insert(corner);
    int64_t wrong = 0;
    for (int64_t n = 0; n < 2; ++n)
      for (int64_t h = 0; h < 3; ++h)
        for (int64_t w = 0; w < 5; ++w) wrong += at(y, n, h, w, 1) != corner + static_cast<double>(n * 1000 + h * 100 + w * 10 + 1);
    CHECK(wrong == 0);
  }
  CHECK(corners == std::set<double>{0, 10, 100, 110, 200, 210});
}

TEST_CASE("RandomShear slants to either side") {
  const Tensor x = numbered({64, 4, 9, 1});
  const Tensor y = train_once("RandomShear: {x_factor: [1, 1], fill_mode: constant, fill_value: -1}", x, 0);
  int64_t right = 0, wrong = 0;
  for (int64_t n = 0; n < 64; ++n) {
    const int64_t side = at(y, n, 1, 0, 0) == -1 ? -1 : 1;
    right += side > 0;
    for (int64_t h = 0; h < 4; ++h)
      for (int64_t w = 0; w < 9; ++w) {
        const int64_t from = w + side * h;
        wrong += at(y, n, h, w, 0) != (from < 0 || from > 8 ? -1 : at(x, n, h, from, 0));
      }
  }
  CHECK(wrong == 0);
  CHECK(right > 16);
  CHECK(right < 48);
}

TEST_CASE("RandomElasticTransform moves each pixel as far down as to the right, and a share of the images") {
  // Channels hold the coordinates of a pixel, so that the result says where each came from.
  Tensor x(DType::kFloat32, {60, 24, 24, 2});
  for (int64_t i = 0; i < x.size(); ++i) x.set(i, static_cast<double>(i % 2 == 0 ? i / 2 % 24 : i / 48 % 24));
  for (const std::string factor : {"0.5", "1"}) {
    const Tensor y = train_once("RandomElasticTransform: {factor: [" + factor + ", " + factor + "], scale: [0.9, 0.9]}", x, 4);
    int64_t moved = 0;
    double worst = 0, furthest = 0;
    for (int64_t n = 0; n < 60; ++n) {
      bool same = true;
      for (int64_t h = 0; h < 24; ++h)
        for (int64_t w = 0; w < 24; ++w) {
          const double right = at(y, n, h, w, 0) - static_cast<double>(w), down = at(y, n, h, w, 1) - static_cast<double>(h);
          same &= right == 0 && down == 0;
          if (h < 8 || h > 15 || w < 8 || w > 15) continue;  // what comes from beyond the border
          worst = std::max(worst, std::abs(right - down));
          furthest = std::max(furthest, std::abs(right));
        }
      moved += !same;
    }
    CHECK(worst < 1e-4);
    CHECK(furthest > 0.3);
    CHECK(furthest < 8);
    CHECK((factor == "1" ? moved == 60 : moved > 15 && moved < 45));
  }
}

TEST_CASE("RandAugment and AugMix change images, otherwise in every step, within the range of values") {
  Tensor x(DType::kFloat32, {4, 7, 6, 3});
  for (int64_t i = 0; i < x.size(); ++i) x.set(i, static_cast<double>(i * 37 % 256));
  for (const std::string layer :
       {"RandAugment: {num_ops: 3}", "AugMix: {seed: 3}", "AugMix: {alpha: 0.3, all_ops: false, num_chains: 2}"}) {
    CAPTURE(layer);
    int64_t changed = 0;
    for (int64_t step = 0; step < 6; ++step) {
      const Tensor y = train_once(layer, x, step), again = train_once(layer, x, step);
      REQUIRE(y.dims() == x.dims());
      bool same = true, equal = true, inside = true;
      for (int64_t i = 0; i < x.size(); ++i) {
        same &= y.at(i) == x.at(i);
        equal &= y.at(i) == again.at(i);
        inside &= y.at(i) >= -1e-3 && y.at(i) <= 255.001;
      }
      changed += !same;
      CHECK(equal);
      CHECK(inside);
    }
    CHECK(changed > 2);
  }
}

TEST_CASE("RandomPerspective maps lines to lines, and a share of the images") {
  // Two channels hold the coordinates of a pixel, so that the result says where each came from; the third is 1 unless mixed with the
  // fill value.
  Tensor x(DType::kFloat32, {40, 9, 9, 3});
  for (int64_t i = 0; i < x.size(); ++i)
    x.set(i, i % 3 == 0 ? static_cast<double>(i / 3 % 9) : i % 3 == 1 ? static_cast<double>(i / 27 % 9) : 1);
  const Tensor y = train_once("RandomPerspective: {factor: [0.5, 0.5], scale: 0.4}", x, 1);
  int64_t moved = 0, lines = 0;
  double worst = 0;
  for (int64_t n = 0; n < 40; ++n) {
    bool same = true;
    for (int64_t i = 0; i < 243; ++i) same &= y.at(n * 243 + i) == x.at(n * 243 + i);
    moved += !same;
    for (int64_t h = 0; h < 9 && !same; ++h) {
      const double x0 = at(y, n, h, 2, 0), y0 = at(y, n, h, 2, 1), x1 = at(y, n, h, 4, 0), y1 = at(y, n, h, 4, 1);
      const double x2 = at(y, n, h, 6, 0), y2 = at(y, n, h, 6, 1);
      if (std::min({at(y, n, h, 2, 2), at(y, n, h, 4, 2), at(y, n, h, 6, 2)}) < 0.99999) continue;
      ++lines;
      worst = std::max(worst, std::abs((x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)));
    }
  }
  CHECK(moved > 8);
  CHECK(moved < 32);
  CHECK(lines > 20);
  CHECK(worst < 1e-4);
}

TEST_CASE("MixUp weighs each image and one other, by Beta(alpha, alpha)") {
  constexpr int64_t kBatch = 50;
  Tensor x(DType::kFloat32, {kBatch, 1, 1, kBatch});  // image n has 1 in channel n
  for (int64_t n = 0; n < kBatch; ++n) x.set(n * kBatch + n, 1);
  for (const double alpha : {0.2, 3.0}) {
    double count = 0, mean = 0, variance = 0;
    for (int64_t step = 0; step < 60; ++step) {
      const Tensor y = train_once("MixUp: {alpha: " + std::to_string(alpha) + "}", x, step);
      std::set<int64_t> others;
      for (int64_t n = 0; n < kBatch; ++n) {
        double sum = 0;
        int64_t other = n;
        for (int64_t c = 0; c < kBatch; ++c) {
          sum += at(y, n, 0, 0, c);
          if (c != n && at(y, n, 0, 0, c) > 0) other = c;
        }
        CHECK(std::abs(sum - 1) < 1e-6);
        const double weight = at(y, n, 0, 0, n);
        if (other == n) continue;  // itself, or a weight of 1
        CHECK(others.insert(other).second);
        ++count, mean += weight, variance += (weight - 0.5) * (weight - 0.5);
      }
    }
    // Weights of exactly 1 are not counted: with alpha 0.2 about 1 in 100.
    CHECK(std::abs(mean / count - 0.5) < (alpha < 1 ? 0.04 : 0.02));
    CHECK(std::abs(variance / count - 1 / (4 * (2 * alpha + 1))) < 0.008);
  }
}

TEST_CASE("CutMix and RandomErasing replace a rectangle") {
  Tensor x(DType::kFloat32, {60, 10, 10, 1});
  for (int64_t i = 0; i < x.size(); ++i) x.set(i, static_cast<double>(i / 100) + 1);
  const auto check_boxes = [&](const Tensor& y, double least, double most) {
    int64_t changed = 0;
    for (int64_t n = 0; n < 60; ++n) {
      int64_t top = 10, left = 10, bottom = -1, right = -1, count = 0;
      std::set<double> values;
      for (int64_t h = 0; h < 10; ++h)
        for (int64_t w = 0; w < 10; ++w) {
          if (at(y, n, h, w, 0) == at(x, n, h, w, 0)) continue;
          top = std::min(top, h), left = std::min(left, w), bottom = std::max(bottom, h), right = std::max(right, w);
          ++count;
          values.insert(at(y, n, h, w, 0));
        }
      if (count == 0) continue;
      ++changed;
      CHECK(count == (bottom - top + 1) * (right - left + 1));
      CHECK(values.size() == 1);
      CHECK(count >= least);
      CHECK(count <= most);
    }
    return changed;
  };
  const int64_t mixed = check_boxes(train_once("CutMix: {factor: [1, 1]}", x, 0), 1, 100);
  CHECK(mixed > 45);
  // Sides of 5 to 6 of 10 pixels: a rectangle from 4.x to 9.x holds 5 or 6 rows.
  CHECK(check_boxes(train_once("RandomErasing: {factor: [1, 1], scale: [0.25, 0.36], fill_value: 0.5}", x, 0), 25, 49) == 60);
  const int64_t some = check_boxes(train_once("RandomErasing: {factor: [0.5, 0.5], scale: [0.25, 0.36], fill_value: 0.5}", x, 0), 25, 49);
  CHECK(some > 15);
  CHECK(some < 45);
}

TEST_CASE("factors are drawn from their whole range, for each image") {
  Tensor x(DType::kFloat32, {2000, 1, 1, 1});
  for (int64_t i = 0; i < x.size(); ++i) x.set(i, 0.5);
  const Tensor y = train_once("RandomBrightness: {factor: [-0.2, 0.1], value_range: [0, 1]}", x, 0);
  double low = 1, high = 0, mean = 0;
  for (int64_t i = 0; i < y.size(); ++i) {
    low = std::min(low, y.at(i)), high = std::max(high, y.at(i));
    mean += y.at(i) / static_cast<double>(y.size());
  }
  CHECK(low < 0.301);
  CHECK(low >= 0.3 - 1e-6);
  CHECK(high > 0.599);
  CHECK(high <= 0.6 + 1e-6);
  CHECK(std::abs(mean - 0.45) < 0.008);
  const Tensor again = train_once("RandomBrightness: {factor: [-0.2, 0.1], value_range: [0, 1]}", x, 0);
  const Tensor later = train_once("RandomBrightness: {factor: [-0.2, 0.1], value_range: [0, 1]}", x, 1);
  CHECK(bit_equal(y, again));
  CHECK(!bit_equal(y, later));
}

TEST_CASE("image layers say what does not fit") {
  CHECK(error_of("Resizing: {height: 3, width: 4}", "{shape: [null, 5, 2]}").find("needs to know the image's size") != std::string::npos);
  CHECK(error_of("Resizing: {height: 3, width: 4}", "{shape: [5, 2]}").find("Resizing needs 4 axes") != std::string::npos);
  CHECK(error_of("Resizing: {height: 2000000, width: 4}", "{shape: [3, 3, 1]}").find("too long") != std::string::npos);
  CHECK(error_of("Resizing: {height: 600000, width: 4, interpolation: lanczos3}", "{shape: [300, 3, 1]}").find("more memory") !=
        std::string::npos);
  CHECK(error_of("RandomHue: {factor: 0.2}", "{shape: [3, 3, 4]}").find("needs 3 channels") != std::string::npos);
  CHECK(error_of("RandomGrayscale: {}", "{shape: [3, 3, 2]}").find("needs 1 or 3 channels") != std::string::npos);
  CHECK(error_of("RandomTranslation: {height_factor: 0.1, width_factor: 0.1}", "{shape: [null, 3, 2]}").find("image's size") !=
        std::string::npos);
  CHECK(error_of("CategoryEncoding: {num_tokens: 3}", "{shape: []}").find("needs [batch, integers]") != std::string::npos);
  CHECK(error_of("MelSpectrogram: {fft_length: 64}", "{shape: [32]}").find("needs a longer signal than 32") != std::string::npos);
  const auto problems = [](const std::string& layer) { return problems_of("inputs: {x: [4, 4, 3]}\nlayers:\n  - " + layer + "\n"); };
  CHECK(problems("RandomRotation: {factor: [0.1, 0.2, 0.3]}").find("factor: must be a number or a list of two numbers from -1 to 1") !=
        std::string::npos);
  CHECK(problems("RandomZoom: {height_factor: -1}").find("from -1 (exclusive) to 1") != std::string::npos);
  CHECK(problems("RandomZoom: {}").find("height_factor: is missing") != std::string::npos);
  CHECK(problems("RandomBrightness: {factor: 0.1, value_range: 3}").find("value_range: must be a list of two numbers") !=
        std::string::npos);
  CHECK(problems("RandomGaussianBlur: {kernel_size: 4}").find("kernel_size: must be odd") != std::string::npos);
  CHECK(problems("Resizing: {height: 3, width: 4, interpolation: area}").find("one of bilinear, nearest, bicubic") != std::string::npos);
  CHECK(problems("Resizing: {height: 3, width: 4, crop_to_aspect_ratio: true, pad_to_aspect_ratio: true}").find("cannot both") !=
        std::string::npos);
  CHECK(problems("IntegerLookup: {invert: true}").find("vocabulary: is missing") != std::string::npos);
  CHECK(problems("IntegerLookup: {vocabulary: [1, 2, 1]}").find("has 1 twice") != std::string::npos);
  CHECK(problems("IntegerLookup: {vocabulary: [1, 2], mask_token: 2}").find("mask or out-of-vocabulary token") != std::string::npos);
  CHECK(problems("IntegerLookup: {vocabulary: [1, 2], max_tokens: 2}").find("is less than the size of the vocabulary, 3") !=
        std::string::npos);
  CHECK(problems("Discretization: {}").find("bin_boundaries: is missing") != std::string::npos);
  CHECK(problems("Discretization: {bin_boundaries: [2, 1]}").find("ascending") != std::string::npos);
  CHECK(problems("STFTSpectrogram: {window: kaiser}").find("window") != std::string::npos);
  // Wrong kinds must not reach the checks across keys.
  for (const char* bad :
       {"Resizing: {height: a, width: 4, crop_to_aspect_ratio: 3}", "RandomZoom: {height_factor: x}", "Solarization: {value_range: x}",
        "IntegerLookup: {vocabulary: x}", "IntegerLookup: {vocabulary: [1], oov_token: x}",
        "IntegerLookup: {vocabulary: [1], num_oov_indices: x}", "Discretization: {bin_boundaries: x}",
        "RandomGaussianBlur: {kernel_size: x}", "RandomErasing: {fill_value: x}", "MelSpectrogram: {fft_length: x}",
        "STFTSpectrogram: {frame_length: x}", "CutMix: {factor: x}", "RandomShear: {x_factor: x}",
        "IntegerLookup: {vocabulary: [1], output_mode: tf_idf, idf_weights: x}", "IntegerLookup: {vocabulary: [1], invert: 3}"})
    CHECK(!problems(bad).empty());
}

}  // namespace dl
