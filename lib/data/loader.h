// BatchLoader: the batches of a Dataset in order, filled ahead of time by worker threads.
// Who uses it: the training loop, eval, predict and bench.
// Invariants: the batches are a function of (dataset, batch_size, seed, shuffle, rank, world_size, epoch, batch number);
// the number of workers and the prefetch depth change only the speed. The position is (epoch, batch) and nothing else.
// Thread-safety: one consumer thread. Destruction at any moment stops the workers after the sample they are reading.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/dataset.h"

namespace dl {

struct LoaderOptions {
  int64_t batch_size = 32;  // of the whole world
  uint64_t seed = 0;
  bool shuffle = false;
  int rank = 0, world_size = 1;  // this loader yields part `rank` of each batch (dl::rank_part)
  int workers = 1;               // 0: the consumer fills each batch itself
  int prefetch = 4;              // batches filled ahead, at least 1 when there are workers
  int64_t epochs = 0;            // prefetch no further than the end of epoch epochs-1; 0: no limit
  bool drop_remainder = false;   // leave out the last short batch
  bool training = false;         // random preprocessing steps draw, from (seed, epoch, sample)
};

struct NamedTensor {
  std::string name;
  Tensor tensor;  // [count, field dims...]
};

struct Batch {
  int64_t epoch = 0, index = 0;                   // batch number within the epoch
  int64_t count = 0;                              // samples of this rank
  int64_t wanted = 0;                             // the same, before any were skipped
  int64_t global_count = 0;                       // samples of all ranks, before any were skipped
  std::vector<NamedTensor> fields;                // in the order of Dataset::fields()
  std::vector<int64_t> samples;                   // their numbers in the dataset
  const Tensor& at(std::string_view name) const;  // InternalError when there is none
};

class BatchLoader {
 public:
  BatchLoader(DatasetPtr dataset, LoaderOptions options);
  ~BatchLoader();
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  int64_t batches_per_epoch() const;
  const Dataset& dataset() const;

  // The next batch; nullopt once at the end of each epoch, after which the next epoch goes on.
  // Rethrows what a worker threw, when the batch it was filling is due.
  std::optional<Batch> next();
  // Continue with batch `batch` of epoch `epoch`. Costs nothing when the loader is already there.
  void seek(int64_t epoch, int64_t batch = 0);

  double wait_seconds() const;  // time next() spent without a batch at hand, since construction
  int64_t skipped() const;      // unreadable samples left out of yielded batches so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dl
