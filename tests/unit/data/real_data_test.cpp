// The real sets of DLTOOL_DATA (or ../shared/data); each case says so where they are absent.
#include <doctest/doctest.h>

#include <chrono>
#include <cmath>
#include <map>

#include "data/loader.h"
#include "helpers.h"

using namespace dl;
using namespace dl::test;

#define NEED_DATA                                                                  \
  const std::string folder = data_folder();                                        \
  if (folder.empty()) {                                                            \
    MESSAGE("skipped: no real data; set DLTOOL_DATA to the folder that holds it"); \
    return;                                                                        \
  }

namespace {
const std::string kMnist =
    "{train: {format: idx, images: mnist/train-images-idx3-ubyte.gz, labels: mnist/train-labels-idx1-ubyte.gz, shape: [28, 28, 1], "
    "rescale: 1/255},"
    " test: {format: idx, images: mnist/t10k-images-idx3-ubyte.gz, labels: mnist/t10k-labels-idx1-ubyte.gz, shape: [28, 28, 1], rescale: "
    "1/255}}";
}

TEST_CASE("real data: mnist") {
  NEED_DATA
  const Data data = open_data(parse_data(kMnist, folder));
  CHECK(data.train->size() == 60000);
  CHECK(data.test->size() == 10000);
  CHECK(data.train->fields()[0].dims == Dims{28, 28, 1});
  const std::vector<Tensor> test = gather_all(*data.test);
  std::map<int, int64_t> labels;
  for (const double y : numbers(test[1])) ++labels[static_cast<int>(y)];
  CHECK(labels ==
        std::map<int, int64_t>{{0, 980}, {1, 1135}, {2, 1032}, {3, 1010}, {4, 982}, {5, 892}, {6, 958}, {7, 1028}, {8, 974}, {9, 1009}});
  double mean = 0;
  const std::vector<Tensor> train = gather_all(*data.train);
  for (int64_t i = 0; i < train[0].size(); ++i) mean += train[0].data<float>()[i];
  CHECK(mean / (60000.0 * 784) == doctest::Approx(0.1306604).epsilon(1e-5));  // the figure everybody normalizes with
}

TEST_CASE("real data: an epoch of mnist from one thread") {
  NEED_DATA
  const Data data = open_data(parse_data(kMnist, folder));
  LoaderOptions o;
  o.batch_size = 128;
  o.shuffle = true;
  o.workers = 0;
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    BatchLoader loader(data.train, o);
    loader.seek(round);
    const auto begin = std::chrono::steady_clock::now();
    int64_t seen = 0;
    while (std::optional<Batch> batch = loader.next()) seen += batch->count;
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    CHECK(seen == 60000);
  }
  MESSAGE("best of 5: ", best, " s, ", 60000 * 784 * 4 / best / 1e9, " GB/s of float32");
}

TEST_CASE("real data: tables") {
  NEED_DATA
  const Data iris = open_data(parse_data(
      "{train: {path: tabular/iris.csv, header: false, columns: {x: [0, 1, 2, 3], y: 4}}, test: {split: 0.2}, standardize: [x]}", folder));
  CHECK(iris.train->size() == 120);
  CHECK(iris.test->size() == 30);
  CHECK(iris.preprocessing.class_names() == std::vector<std::string>{"Iris-setosa", "Iris-versicolor", "Iris-virginica"});
  const Data banknote =
      open_data(parse_data("{train: {path: tabular/banknote_authentication.csv, header: false, columns: {y: 4}, classes: 2}}", folder));
  CHECK(banknote.train->size() == 1372);
  CHECK(banknote.train->fields()[0].dims == Dims{4});
  const Data abalone =
      open_data(parse_data("{train: {path: tabular/abalone.csv, header: false, columns: {y: 8}, one_hot: {0: [F, I, M]}}}", folder));
  CHECK(abalone.train->size() == 4177);
  CHECK(abalone.train->fields()[0].dims == Dims{10});
  CHECK(gather_all(*abalone.train)[1].at(0) == 15);
  const Data airline =
      open_data(parse_data("{train: {path: tabular/airline-passengers.csv, columns: {x: [Passengers]}, window: {length: 12}}, test: "
                           "{split: 0.25}, normalize: [x, y]}",
                           folder));
  CHECK(airline.train->size() == 108 - 12);  // 108 of 144 months, and no window reaches into the other 36
  CHECK(airline.test->size() == 36 - 12);
  const Tensor y = undo_scaling(gather_all(*airline.test)[1], *airline.preprocessing.find("y"));
  CHECK(std::round(y.at(23)) == 432);  // December 1960, the last row
  for (const double v : numbers(gather_all(*airline.train)[0])) CHECK((v >= 0 && v <= 1));
  const Data nab = open_data(parse_data(
      "{train: {path: nab/machine_temperature_system_failure.csv, columns: {x: [value]}, window: {length: 24, stride: 6}}}", folder));
  CHECK(nab.train->size() == (22695 - 25) / 6 + 1);
}

TEST_CASE("real data: cifar10") {
  NEED_DATA
  const Data data =
      open_data(parse_data("{train: {format: webdataset, path: cifar10/train-*.tar, classes: 10, cache: memory}, "
                           "test: {format: webdataset, path: \"cifar10/test-{00000..00001}.tar\", classes: 10}}",
                           folder));
  CHECK(data.train->size() == 50000);
  CHECK(data.test->size() == 10000);
  REQUIRE(data.train->fields()[0].dims == Dims{32, 32, 3});
  std::vector<int64_t> per_class(10);
  for (int64_t i = 0; i < 50000; ++i) ++per_class[static_cast<size_t>(data.train->label(i, 1))];
  CHECK(per_class == std::vector<int64_t>(10, 5000));
  const auto seconds = [&](const DatasetPtr& part, int64_t count) {
    std::vector<float> x(32 * 32 * 3);
    int32_t y = 0;
    std::byte* rows[] = {reinterpret_cast<std::byte*>(x.data()), reinterpret_cast<std::byte*>(&y)};
    const auto begin = std::chrono::steady_clock::now();
    for (int64_t i = 0; i < count; ++i) part->get(i * 7919 % count, rows);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const double decoded = seconds(data.train, 5000), cached = seconds(data.train, 5000);
  MESSAGE("one thread: ", 5000 / decoded, " images/s decoded, ", 5000 / cached, " images/s from the cache");
  CHECK(cached < decoded);
}

TEST_CASE("real data: series with times") {
  NEED_DATA
  const Data stocks =
      open_data(parse_data("{train: {path: stocks/five-series-2007-2016.csv, columns: {x: [MSFT, IBM, SBUX, AAPL, GSPC], y: AAPL}, "
                           "time: Date, window: {length: 30}}, validation: {after: 2014-01-01}, test: {after: 2015-01-01}, "
                           "standardize: [x, y]}",
                           folder));
  CHECK(stocks.train->fields()[0].dims == Dims{30, 5});
  CHECK(stocks.validation->size() == 252 - 30);  // days of trading in 2014
  CHECK(stocks.train->size() > 1700);
  const Data nab =
      open_data(parse_data("{train: {path: nab/machine_temperature_system_failure.csv, columns: {x: [value]}, time: timestamp, window: "
                           "{length: 288, horizon: 0, "
                           "stride: 12}, exclude: [[2013-12-15 17:50:00, 2013-12-17 17:00:00], [2014-01-27 14:20:00, 2014-01-29 13:30:00], "
                           "[2014-02-07 14:55:00, 2014-02-09 14:05:00]]}, reconstruct: true, standardize: [x]}",
                           folder));
  CHECK(nab.train->fields()[1].dims == Dims{288, 1});
  CHECK(nab.train->size() < (22695 - 288) / 12 + 1 - 3 * 48);
  CHECK(nab.train->size() > (22695 - 288) / 12 + 1 - 3 * 75);
}
