#include "data/steps.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "data/loader.h"
#include "helpers.h"
#include "unit/text.h"

using namespace dl;
using namespace dl::test;

namespace {

// Samples [height, width, channels] whose element e of sample i is 1000 i + e + 1: never 0.
DatasetPtr images(int64_t n, int64_t height, int64_t width, int64_t channels) {
  Tensor x(DType::kFloat32, {n, height, width, channels});
  for (int64_t i = 0; i < x.size(); ++i)
    x.set(i, static_cast<double>(1000 * (i / (height * width * channels)) + i % (height * width * channels) + 1));
  return make_array_dataset({{{"x", DType::kFloat32, {height, width, channels}, false, {}}, x, 1, 0}}, n);
}

DatasetPtr with(DatasetPtr base, const std::string& yaml) { return apply_steps(std::move(base), spec::parse_yaml(yaml, "run.yaml")); }

std::vector<float> sample(const Dataset& dataset, int64_t index, const Draw* draw = nullptr) {
  std::vector<float> values(static_cast<size_t>(dataset.fields()[0].row_elements()));
  std::byte* rows[] = {reinterpret_cast<std::byte*>(values.data())};
  REQUIRE(dataset.get(index, rows, draw));
  return values;
}

}  // namespace

TEST_CASE("steps: outside of training padding and a crop of the same size change nothing, a smaller crop takes the middle") {
  const DatasetPtr base = images(2, 4, 6, 2);
  const DatasetPtr same =
      with(base, "[{ZeroPadding2D: {padding: 3}}, {RandomCrop: {height: 4, width: 6}}, {RandomFlip: {mode: horizontal}}]");
  CHECK(sample(*same, 1) == sample(*base, 1));
  const DatasetPtr middle = with(base, "{x: [{CenterCrop: {height: 2, width: 3}}]}");
  REQUIRE(middle->fields()[0].dims == Dims{2, 3, 2});
  // Rows 1 and 2, columns 1 to 3 (Keras: (6 - 3) / 2 = 1).
  CHECK(sample(*middle, 0) == std::vector<float>{15, 16, 17, 18, 19, 20, 27, 28, 29, 30, 31, 32});
  const DatasetPtr sides = with(images(1, 1, 2, 1), "[{ZeroPadding2D: {padding: [[1, 0], [0, 2]]}}]");
  REQUIRE(sides->fields()[0].dims == Dims{2, 4, 1});
  CHECK(sample(*sides, 0) == std::vector<float>{0, 0, 0, 0, 1, 2, 0, 0});
}

TEST_CASE("steps: random crops are windows of the image, each place as often as any other") {
  const DatasetPtr base = images(1, 3, 5, 1), crop = with(base, "[{RandomCrop: {height: 2, width: 2}}]");
  std::map<float, int> corners;
  for (int64_t epoch = 0; epoch < 4000; ++epoch) {
    const Draw draw{7, epoch};
    const std::vector<float> v = sample(*crop, 0, &draw);
    REQUIRE(v[1] == v[0] + 1);
    REQUIRE(v[2] == v[0] + 5);
    REQUIRE(v[3] == v[0] + 6);
    ++corners[v[0]];
  }
  REQUIRE(corners.size() == 8);
  for (const auto& [corner, count] : corners) CHECK(std::abs(count - 500) < 5 * 21);  // five deviations
}

TEST_CASE("steps: flips mirror half of the samples") {
  const DatasetPtr base = images(400, 2, 3, 2);
  const auto flipped = [&](const std::string& mode) {
    const DatasetPtr flip = with(base, "[{RandomFlip: {mode: " + mode + "}}]");
    std::set<std::vector<float>> seen;
    int changed = 0;
    for (int64_t i = 0; i < 400; ++i) {
      const Draw draw{1, 0};
      std::vector<float> v = sample(*flip, i, &draw);
      for (float& e : v) e -= static_cast<float>(1000 * i);
      changed += v[0] != 1;
      seen.insert(v);
    }
    CHECK(std::abs(changed - (mode == "horizontal_and_vertical" ? 300 : 200)) < 50);
    return seen;
  };
  const std::vector<float> plain = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, mirrored = {5, 6, 3, 4, 1, 2, 11, 12, 9, 10, 7, 8},
                           turned = {7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6}, both = {11, 12, 9, 10, 7, 8, 5, 6, 3, 4, 1, 2};
  CHECK(flipped("horizontal") == std::set{plain, mirrored});
  CHECK(flipped("vertical") == std::set{plain, turned});
  CHECK(flipped("horizontal_and_vertical") == std::set{plain, mirrored, turned, both});
}

TEST_CASE("steps: translations by whole and by half pixels, with each way to fill") {
  const DatasetPtr base = images(1, 1, 4, 1);
  const Draw draw{3, 5};
  const auto moved = [&](const std::string& factor, const std::string& keys) {
    return sample(*with(base, "[{RandomTranslation: {height_factor: 0, width_factor: " + factor + keys + "}}]"), 0, &draw);
  };
  const std::string two = "[0.5, 0.5]", half = "[-0.125, -0.125]";
  CHECK(moved(two, ", fill_mode: constant, fill_value: 9") == std::vector<float>{9, 9, 1, 2});
  CHECK(moved(two, ", fill_mode: nearest") == std::vector<float>{1, 1, 1, 2});
  CHECK(moved(two, ", fill_mode: wrap") == std::vector<float>{3, 4, 1, 2});
  CHECK(moved(two, "") == std::vector<float>{2, 1, 1, 2});
  CHECK(moved("[-0.5, -0.5]", "") == std::vector<float>{3, 4, 4, 3});
  CHECK(moved(half, "") == std::vector<float>{1.5, 2.5, 3.5, 4});
  CHECK(moved(half, ", fill_mode: constant") == std::vector<float>{1.5, 2.5, 3.5, 2});
  CHECK(moved(half, ", interpolation: nearest") == std::vector<float>{2, 3, 4, 4});
  CHECK(sample(*with(base, "[{RandomTranslation: {height_factor: 1, width_factor: 1}}]"), 0) == sample(*base, 0));
}

TEST_CASE("steps: the draw depends on seed, epoch, sample and step, on nothing else") {
  const std::string yaml = "[{ZeroPadding2D: {padding: 4}}, {RandomCrop: {height: 8, width: 8}}, {RandomCrop: {height: 5, width: 5}}]";
  const DatasetPtr data = with(images(64, 8, 8, 1), yaml);
  const Draw draw{1, 2}, seed{2, 2}, epoch{1, 3};
  CHECK(sample(*data, 3, &draw) == sample(*data, 3, &draw));
  int by_seed = 0, by_epoch = 0;
  for (int64_t i = 0; i < 64; ++i) {
    by_seed += sample(*data, i, &draw) != sample(*data, i, &seed);
    by_epoch += sample(*data, i, &draw) != sample(*data, i, &epoch);
  }
  CHECK(by_seed > 50);
  CHECK(by_epoch > 50);
  // Whole batches: as many threads and ranks as one likes.
  const auto epoch_of = [&](int workers, int ranks) {
    std::map<int64_t, std::vector<double>> rows;
    for (int rank = 0; rank < ranks; ++rank) {
      LoaderOptions options;
      options.batch_size = 10;
      options.seed = 9;
      options.shuffle = options.training = true;
      options.workers = workers;
      options.rank = rank;
      options.world_size = ranks;
      BatchLoader loader(data, options);
      loader.seek(1);
      while (const auto batch = loader.next())
        for (int64_t i = 0; i < batch->count; ++i)
          rows[batch->samples[static_cast<size_t>(i)]] = numbers(batch->fields[0].tensor.rows(i, i + 1));
    }
    return rows;
  };
  const auto one = epoch_of(0, 1);
  CHECK(one.size() == 64);
  CHECK(one == epoch_of(3, 1));
  CHECK(one == epoch_of(2, 4));
}

TEST_CASE("steps: in the data section they hold for every part, and random ones draw in training only") {
  const std::string yaml =
      "{train: {format: synthetic, samples: 20, shape: [6, 6, 1]}, validation: {format: synthetic, samples: 5, shape: [6, 6, 1], seed: 1}, "
      "preprocess: {x: [{CenterCrop: {height: 4, width: 5}}, {RandomFlip: {mode: horizontal}}]}, standardize: [x]}";
  const DataSpec spec = parse_data(yaml, "");
  const Data data = open_data(spec);
  CHECK(data.train->fields()[0].dims == Dims{4, 5, 1});
  CHECK(data.validation->fields()[0].dims == Dims{4, 5, 1});
  CHECK(data.preprocessing.find("x")->center.size() == 1);
  spec::Problems problems;
  const Preprocessing back = read_preprocessing(to_node(data.preprocessing), "p", problems);
  problems.throw_if_any();
  const Data again = open_data(spec, &back);
  CHECK(bit_equal(gather_all(*data.train)[0], gather_all(*again.train)[0]));
  CHECK(bit_equal(gather_all(*data.validation)[0], gather_all(*again.validation)[0]));
}

TEST_CASE("steps: errors name the place") {
  const auto problem = [](const std::string& steps) {
    return problems_of("{train: {format: synthetic, samples: 2, shape: [4, 4, 1]}, preprocess: " + steps + "}");
  };
  CHECK(has(problem("[RandomFlp]"), "data.preprocess[0]: no step 'RandomFlp' (did you mean 'RandomFlip'?)"));
  CHECK(has(problem("{x: [{RandomCrop: {height: 4}}]}"), "data.preprocess.x[0].RandomCrop.width"));
  CHECK(has(problem("{x: 3}"), "data.preprocess.x: expected a list of steps"));
  CHECK(has(problem("7"), "data.preprocess: expected a list of steps, or a map"));
  CHECK(has(problem("[{RandomFlip: {mode: sideways}}]"), "mode"));
  CHECK(has(problem("[{ZeroPadding2D: {padding: -1}}]"), "padding"));
  CHECK(has(problem("[{RandomTranslation: {height_factor: 2, width_factor: [0.5, 0.1]}}]"), "expected a fraction from -1 to 1"));
  const auto error = [](const std::string& shape, const std::string& steps) {
    return error_of(
        [&] { open_data(parse_data("{train: {format: synthetic, samples: 2, shape: " + shape + "}, preprocess: " + steps + "}", "")); });
  };
  CHECK(has(error("[4, 4, 1]", "[{RandomCrop: {height: 4, width: 5}}]"), "run.yaml:1:"));
  CHECK(has(error("[4, 4, 1]", "[{RandomCrop: {height: 4, width: 5}}]"), "data.preprocess[0]: cannot cut 4 x 5 out of images of 4 x 4"));
  CHECK(has(error("[4]", "[RandomFlip]"), "field 'x' is float32 [4], steps take images"));
  CHECK(has(error("[4, 4, 1]", "{z: [RandomFlip]}"), "no field 'z'"));
}
