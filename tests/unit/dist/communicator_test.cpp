#include "dist/communicator.h"

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

#include "base/error.h"
#include "dist/async_reducer.h"

using namespace dl;

namespace {

float value_at(int rank, size_t i) { return 1.0f / static_cast<float>(3 + rank * 7 + static_cast<int>(i) % 11); }

}  // namespace

TEST_CASE("all ranks get the same bits, in the fixed tree order") {
  for (int ranks : {1, 2, 3, 4, 5}) {
    CAPTURE(ranks);
    const size_t count = 1003;
    std::vector<std::vector<float>> results(static_cast<size_t>(ranks));
    run_rank_threads(ranks, [&](Communicator& c) {
      std::vector<float> data(count);
      for (size_t i = 0; i < count; ++i) data[i] = value_at(c.rank(), i);
      AsyncReducer reducer(c);
      reducer.start(0, data.data(), 500, DType::kFloat32, false);
      reducer.start(1, data.data() + 500, count - 500, DType::kFloat32, false);
      reducer.wait(1);
      reducer.wait(0);
      results[static_cast<size_t>(c.rank())] = data;
    });
    for (size_t i = 0; i < count; ++i) {
      float expected = value_at(0, i);
      if (ranks == 2) expected = value_at(0, i) + value_at(1, i);
      if (ranks == 3) expected = (value_at(0, i) + value_at(1, i)) + value_at(2, i);
      if (ranks == 4) expected = (value_at(0, i) + value_at(1, i)) + (value_at(2, i) + value_at(3, i));
      if (ranks == 5) expected = ((value_at(0, i) + value_at(1, i)) + (value_at(2, i) + value_at(3, i))) + value_at(4, i);
      for (const auto& r : results) REQUIRE(r[i] == expected);
    }
  }
}

TEST_CASE("broadcast and a failing rank") {
  std::atomic<int> sum = 0;
  run_rank_threads(3, [&](Communicator& c) {
    int value = c.rank() == 0 ? 42 : 0;
    c.broadcast(&value, sizeof value);
    sum += value;
  });
  CHECK(sum == 3 * 42);
  CHECK_THROWS_WITH_AS(run_rank_threads(3,
                                        [](Communicator& c) {
                                          if (c.rank() == 1) throw NumericError("rank 1 is ill");
                                          c.barrier();
                                        }),
                       "rank 1 is ill", NumericError);
}
