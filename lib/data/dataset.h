// Dataset: samples by number. Sources (CSV, IDX, NPY, images, synthetic) implement it; decorators below select, reorder,
// convert and scale, so that splitting, sharding, shuffling and resuming are arithmetic on sample numbers.
// Who uses it: BatchLoader (loader.h), train and the commands.
// Thread-safety: get() is const and may be called from any number of threads.
// Invariants: fields() never changes; get(i) always gives the same values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace dl {

// One named value of a sample: an input of the model or, with `target`, something to be predicted.
struct Field {
  std::string name;
  DType dtype = DType::kFloat32;
  Dims dims;  // of one sample, without the batch axis; {} is a scalar
  bool target = false;
  std::vector<std::string> classes;  // names by class number, for int32 class targets; empty otherwise

  int64_t row_elements() const { return element_count(dims); }
  size_t row_bytes() const { return static_cast<size_t>(row_elements()) * size_of(dtype); }
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  virtual const std::vector<Field>& fields() const = 0;
  // Writes sample `index` into rows[f] (fields()[f].row_bytes() bytes each, aligned to the element size).
  // False: the sample cannot be read and the source's policy is to skip it; the rows then hold anything.
  virtual bool get(int64_t index, std::span<std::byte* const> rows) const = 0;
};
using DatasetPtr = std::shared_ptr<const Dataset>;

// Samples held in memory. Each column has one row per sample in its own (compact) type; a row is converted when it is read,
// as value * scale + offset in float32 (in double for float64 columns or fields).
struct MemoryColumn {
  Field field;
  Tensor rows;  // rows.size() == samples * field.row_elements()
  double scale = 1, offset = 0;
};
DatasetPtr make_memory_dataset(std::vector<MemoryColumn> columns, int64_t samples);

// Windows over the rows of a series. Window w starts at row w * stride; inputs are its rows [0, length), targets the
// `horizon` rows after it, flattened to [horizon * row elements].
struct Window {
  int64_t length = 1, horizon = 1, stride = 1;
};
DatasetPtr make_window_dataset(std::vector<MemoryColumn> columns, int64_t rows, const Window& window);

// The samples `indices` of `base`, in that order.
DatasetPtr select(DatasetPtr base, std::vector<int64_t> indices);
// Samples [begin, end).
DatasetPtr slice(DatasetPtr base, int64_t begin, int64_t end);
// Part `rank` of `world_size` contiguous parts whose sizes differ by at most one.
DatasetPtr shard(DatasetPtr base, int rank, int world_size);
// Epoch `epoch` of the shuffled order.
DatasetPtr shuffle(DatasetPtr base, uint64_t seed, int64_t epoch);
// Field f in dtypes[f] (saturating nowhere: float to integer truncates, as in NumPy's astype).
DatasetPtr cast_fields(DatasetPtr base, std::vector<DType> dtypes);

// The order of n samples in an epoch: a permutation of 0..n-1 that depends on (n, seed, epoch) alone.
std::vector<int64_t> epoch_order(int64_t n, uint64_t seed, int64_t epoch);

// Part `rank` of [begin, end) cut into `world_size` contiguous parts whose sizes differ by at most one.
struct IndexRange {
  int64_t begin = 0, end = 0;
};
IndexRange rank_part(IndexRange whole, int rank, int world_size);

// All samples as one tensor per field (first axis: sample), skipped samples left out. For small sets and tests.
std::vector<Tensor> gather_all(const Dataset& dataset);

}  // namespace dl
