#include "data/loader.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <set>
#include <thread>

#include "data/dataset.h"
#include "helpers.h"

using namespace dl;
using namespace dl::test;

namespace {

// Sample i is {x: i, i + 0.5}, {y: i}.
DatasetPtr numbered(int64_t n) {
  std::vector<float> x;
  std::vector<int32_t> y;
  for (int64_t i = 0; i < n; ++i) {
    x.push_back(static_cast<float>(i));
    x.push_back(static_cast<float>(i) + 0.5f);
    y.push_back(static_cast<int32_t>(i));
  }
  return make_array_dataset({{{"x", DType::kFloat32, {2}, false, {}}, Tensor::from<float>({n, 2}, x), 1, 0},
                             {{"y", DType::kInt32, {}, true, {}}, Tensor::from<int32_t>({n}, y), 1, 0}},
                            n);
}

// Skips, throws or dawdles at given samples.
class Odd : public Dataset {
 public:
  Odd(DatasetPtr base, std::set<int64_t> skip, std::set<int64_t> fail, int sleep_ms = 0)
      : base_(std::move(base)), skip_(std::move(skip)), fail_(std::move(fail)), sleep_ms_(sleep_ms) {}
  int64_t size() const override { return base_->size(); }
  const std::vector<Field>& fields() const override { return base_->fields(); }
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw* draw) const override {
    ++reads;
    if (sleep_ms_) std::this_thread::sleep_for(std::chrono::milliseconds(sleep_ms_));
    if (fail_.contains(index)) throw FileError("sample " + std::to_string(index) + " is damaged");
    return base_->get(index, rows, draw) && !skip_.contains(index);
  }
  mutable std::atomic<int64_t> reads = 0;

 private:
  DatasetPtr base_;
  std::set<int64_t> skip_, fail_;
  int sleep_ms_;
};

LoaderOptions options_of(int64_t batch, bool shuffle, int workers) {
  LoaderOptions o;
  o.batch_size = batch;
  o.shuffle = shuffle;
  o.workers = workers;
  o.seed = 5;
  return o;
}

std::vector<int64_t> epoch_samples(BatchLoader& loader) {
  std::vector<int64_t> all;
  while (std::optional<Batch> batch = loader.next()) {
    CHECK(batch->count == static_cast<int64_t>(batch->samples.size()));
    CHECK(batch->at("x").dims() == Dims{batch->count, 2});
    for (int64_t k = 0; k < batch->count; ++k) {
      const int64_t sample = batch->samples[static_cast<size_t>(k)];
      CHECK(batch->at("y").at(k) == static_cast<double>(sample));
      CHECK(batch->at("x").at(2 * k + 1) == static_cast<double>(sample) + 0.5);
    }
    all.insert(all.end(), batch->samples.begin(), batch->samples.end());
  }
  return all;
}

}  // namespace

TEST_CASE("order: a permutation of (n, seed, epoch), with known values") {
  CHECK(epoch_order(0, 1, 0).empty());
  CHECK(epoch_order(1, 1, 0) == std::vector<int64_t>{0});
  std::vector<int64_t> order = epoch_order(1000, 3, 7);
  CHECK(order == epoch_order(1000, 3, 7));
  CHECK(order != epoch_order(1000, 3, 8));
  CHECK(order != epoch_order(1000, 4, 7));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 1000; ++i) CHECK(order[static_cast<size_t>(i)] == i);
  // Every sample is as often at every place: chi-square of 8 x 8 cells over 8000 epochs, 49 degrees of freedom (p = 0.0001 at 94).
  int64_t counts[8][8] = {};
  for (int64_t e = 0; e < 8000; ++e) {
    const std::vector<int64_t> o = epoch_order(8, 11, e);
    for (size_t i = 0; i < 8; ++i) ++counts[i][o[i]];
  }
  double chi = 0;
  for (const auto& row : counts)
    for (const int64_t c : row) chi += static_cast<double>((c - 1000) * (c - 1000)) / 1000;
  CHECK(chi < 94);
}

TEST_CASE("loader: batches in order, the short one last, the same for every number of workers") {
  for (const bool shuffle : {false, true}) {
    std::vector<std::vector<int64_t>> reference;
    for (const int workers : {0, 1, 2, 5}) {
      for (const int prefetch : {1, 3}) {
        LoaderOptions o = options_of(7, shuffle, workers);
        o.prefetch = prefetch;
        BatchLoader loader(numbered(24), o);
        CHECK(loader.batches_per_epoch() == 4);
        std::vector<std::vector<int64_t>> epochs;
        for (int e = 0; e < 3; ++e) epochs.push_back(epoch_samples(loader));
        if (reference.empty()) reference = epochs;
        CHECK(epochs == reference);
        CHECK(epochs[0] == (shuffle                             ? epoch_order(24, 5, 0)
                            : gather_all(*numbered(24)).empty() ? std::vector<int64_t>{}
                                                                : [] {
                                                                    std::vector<int64_t> v(24);
                                                                    std::iota(v.begin(), v.end(), 0);
                                                                    return v;
                                                                  }()));
        if (shuffle) CHECK(epochs[2] == epoch_order(24, 5, 2));
      }
    }
  }
}

TEST_CASE("loader: a position is enough to go on") {
  for (const int workers : {0, 3}) {
    BatchLoader straight(numbered(50), options_of(8, true, workers));
    std::vector<std::vector<int64_t>> batches;
    for (int e = 0; e < 3; ++e)
      while (std::optional<Batch> b = straight.next()) batches.push_back(b->samples);
    REQUIRE(batches.size() == 21);
    BatchLoader jumping(numbered(50), options_of(8, true, workers));
    for (const int start : {20, 0, 7, 6, 13, 3}) {
      jumping.seek(start / 7, start % 7);
      std::optional<Batch> b = jumping.next();
      REQUIRE(b);
      CHECK(b->epoch == start / 7);
      CHECK(b->index == start % 7);
      CHECK(b->samples == batches[static_cast<size_t>(start)]);
    }
    jumping.seek(1, 7);  // the end of epoch 1
    CHECK(!jumping.next());
    CHECK(jumping.next()->samples == batches[14]);
  }
}

TEST_CASE("loader: ranks take contiguous parts of each global batch") {
  for (const int world : {1, 2, 3, 4}) {
    BatchLoader whole(numbered(21), options_of(8, true, 1));
    std::vector<std::unique_ptr<BatchLoader>> ranks;
    for (int r = 0; r < world; ++r) {
      LoaderOptions o = options_of(8, true, 2);
      o.rank = r;
      o.world_size = world;
      ranks.push_back(std::make_unique<BatchLoader>(numbered(21), o));
    }
    while (std::optional<Batch> all = whole.next()) {
      std::vector<int64_t> joined;
      for (auto& rank : ranks) {
        std::optional<Batch> part = rank->next();
        REQUIRE(part);
        CHECK(part->global_count == all->count);
        CHECK(part->count >= all->count / world);
        CHECK(part->count <= (all->count + world - 1) / world);
        joined.insert(joined.end(), part->samples.begin(), part->samples.end());
      }
      CHECK(joined == all->samples);
    }
    for (auto& rank : ranks) CHECK(!rank->next());
  }
}

TEST_CASE("loader: fewer samples than ranks, an empty set, a batch beyond the data, drop_remainder") {
  LoaderOptions o = options_of(8, false, 1);
  o.world_size = 4;
  o.rank = 3;
  BatchLoader lonely(numbered(2), o);
  std::optional<Batch> batch = lonely.next();
  REQUIRE(batch);
  CHECK(batch->count == 0);
  CHECK(batch->global_count == 2);
  CHECK(batch->at("x").dims() == Dims{0, 2});
  BatchLoader none(slice(numbered(1), 0, 0), options_of(8, true, 2));
  CHECK(!none.next());
  BatchLoader one(numbered(3), options_of(100, true, 2));
  CHECK(one.next()->count == 3);
  LoaderOptions d = options_of(8, false, 1);
  d.drop_remainder = true;
  BatchLoader dropping(numbered(21), d);
  CHECK(dropping.batches_per_epoch() == 2);
  CHECK(epoch_samples(dropping).size() == 16);
}

TEST_CASE("loader: what a worker throws arrives at its batch, every time, and earlier batches still come") {
  for (const int workers : {0, 1, 4}) {
    BatchLoader loader(std::make_shared<Odd>(numbered(40), std::set<int64_t>{}, std::set<int64_t>{17}), options_of(8, false, workers));
    CHECK(loader.next()->index == 0);
    CHECK(loader.next()->index == 1);
    if (workers == 0) {
      CHECK(error_of([&] { loader.next(); }) == "3: sample 17 is damaged");
      continue;
    }
    for (int again = 0; again < 2; ++again) CHECK(error_of([&] { loader.next(); }) == "3: sample 17 is damaged");
    loader.seek(0, 3);
    CHECK(loader.next()->index == 3);
  }
}

TEST_CASE("loader: skipped samples shorten their batch and are counted") {
  for (const int workers : {0, 2}) {
    BatchLoader loader(std::make_shared<Odd>(numbered(10), std::set<int64_t>{0, 5, 6}, std::set<int64_t>{}), options_of(4, false, workers));
    CHECK(epoch_samples(loader) == std::vector<int64_t>{1, 2, 3, 4, 7, 8, 9});
    CHECK(loader.skipped() == 3);
    CHECK(gather_all(Odd(numbered(10), {0, 5, 6}, {}))[1].dims() == Dims{7});
  }
}

TEST_CASE("loader: stops at once, and does not read past its epochs") {
  const auto slow = std::make_shared<Odd>(numbered(100000), std::set<int64_t>{}, std::set<int64_t>{}, 1);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) {
    BatchLoader loader(slow, options_of(10000, true, 3));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));  // one batch would take ten

  const auto counting = std::make_shared<Odd>(numbered(20), std::set<int64_t>{}, std::set<int64_t>{});
  LoaderOptions o = options_of(4, false, 2);
  o.epochs = 1;
  BatchLoader loader(counting, o);
  epoch_samples(loader);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(counting->reads == 20);
  loader.seek(0, 0);
  CHECK(epoch_samples(loader).size() == 20);
  CHECK(epoch_samples(loader).size() == 20);  // asked for after all
}

TEST_CASE("loader: waiting is measured") {
  BatchLoader loader(std::make_shared<Odd>(numbered(20), std::set<int64_t>{}, std::set<int64_t>{}, 5), options_of(4, false, 1));
  while (loader.next()) {
  }
  CHECK(loader.wait_seconds() > 0.05);
  CHECK(loader.wait_seconds() < 5);
}

TEST_CASE("dataset: slices, shards, selections and casts") {
  const DatasetPtr ten = numbered(10);
  CHECK(numbers(gather_all(*slice(ten, 3, 5))[1]) == std::vector<double>{3, 4});
  CHECK(numbers(gather_all(*select(ten, {9, 0, 9}))[1]) == std::vector<double>{9, 0, 9});
  std::vector<double> joined;
  for (int r = 0; r < 3; ++r)
    for (const double v : numbers(gather_all(*shard(ten, r, 3))[1])) joined.push_back(v);
  CHECK(joined == numbers(gather_all(*ten)[1]));
  CHECK(numbers(gather_all(*shuffle(ten, 5, 2))[1])[0] == static_cast<double>(epoch_order(10, 5, 2)[0]));
  const DatasetPtr cast = cast_fields(ten, {DType::kBFloat16, DType::kFloat32});
  CHECK(cast->fields()[1].dtype == DType::kFloat32);
  CHECK(numbers(gather_all(*cast)[0])[3] == 1.5);
  CHECK(numbers(gather_all(*cast)[1])[7] == 7);
  CHECK(cast_fields(ten, {DType::kFloat32, DType::kInt32}) == ten);
  CHECK_THROWS_AS(slice(ten, 5, 11), InternalError);
  CHECK_THROWS_AS(select(ten, {10}), InternalError);
}
