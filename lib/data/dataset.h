// Dataset: samples by number. Sources (CSV, IDX, NPY, images, synthetic) implement it; decorators below select, reorder,
// convert and scale, so that splitting, sharding, shuffling and resuming are arithmetic on sample numbers.
// Who uses it: BatchLoader (loader.h), train and the commands.
// Thread-safety: get() is const and may be called from any number of threads.
// Invariants: fields() never changes; get(i) always gives the same values, and so does get(i, draw) for the same draw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "data/array_rows.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace dl {

class Series;
struct FieldScaling;
class TextStore;

// One named value of a sample: an input of the model or, with `target`, something to be predicted.
struct Field {
  std::string name;
  DType dtype = DType::kFloat32;
  Dims dims;  // of one sample, without the batch axis; {} is a scalar
  bool target = false;
  std::vector<std::string> classes;  // names by class number, for int32 class targets; empty otherwise
  // What was learned from the text of the training data: the values of a one-hot column, the words of a text.
  struct Vocabulary {
    std::string key;
    std::vector<std::string> values;
    friend bool operator==(const Vocabulary&, const Vocabulary&) = default;
  };
  std::vector<Vocabulary> vocabularies = {};
  std::shared_ptr<const TextStore> texts = nullptr;  // not null: the int32 elements are numbers of texts in it (text_store.h)

  int64_t row_elements() const { return element_count(dims); }
  size_t row_bytes() const { return static_cast<size_t>(row_elements()) * size_of(dtype); }
};

// Which random numbers the preprocessing steps of a sample use in training: they are a function of (seed, epoch, sample).
struct Draw {
  uint64_t seed = 0;
  int64_t epoch = 0;
};

// Where a sample comes from: window number `window` of a series. Null: from elsewhere.
struct SampleOrigin {
  const Series* series = nullptr;
  int64_t window = 0;
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  virtual const std::vector<Field>& fields() const = 0;
  // Writes sample `index` into rows[f] (fields()[f].row_bytes() bytes each, aligned to the element size).
  // False: the sample cannot be read and the source's policy is to skip it; the rows then hold anything.
  // Without `draw` random steps do what they do outside of training.
  bool get(int64_t index, std::span<std::byte* const> rows, const Draw* draw = nullptr) const { return read(index, rows, draw); }
  // The class of sample `index` in the int32 field `field`, without decoding the rest where that is dear; -1 for a skipped sample.
  virtual int32_t label(int64_t index, size_t field) const;
  // How the values of a field were scaled after they left the source; null: not.
  virtual const FieldScaling* scaling(size_t /*field*/) const { return nullptr; }
  virtual SampleOrigin origin(int64_t /*index*/) const { return {}; }

 protected:
  virtual bool read(int64_t index, std::span<std::byte* const> rows, const Draw* draw) const = 0;
};
using DatasetPtr = std::shared_ptr<const Dataset>;

// The base of datasets made of another: they have its fields, its samples and what is known of them, unless they say otherwise.
class Decorator : public Dataset {
 public:
  explicit Decorator(DatasetPtr base) : base_(std::move(base)) {}
  int64_t size() const override { return base_->size(); }
  const std::vector<Field>& fields() const override { return base_->fields(); }
  int32_t label(int64_t index, size_t field) const override { return base_->label(base_index(index), field); }
  const FieldScaling* scaling(size_t field) const override { return base_->scaling(field); }
  SampleOrigin origin(int64_t index) const override { return base_->origin(base_index(index)); }

 protected:
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw* draw) const override {
    return base_->get(base_index(index), rows, draw);
  }
  virtual int64_t base_index(int64_t index) const { return index; }  // the sample of the base that is sample `index`

  DatasetPtr base_;
};

// Samples from arrays. Each column has one row per sample in its own (compact) type; a row is converted when it is read, as
// value * scale + offset in float32 (in double for float64 columns or fields).
struct ArrayColumn {
  Field field;
  ArrayRows rows;  // rows.size() == samples * field.row_elements()
  double scale = 1, offset = 0;
};
DatasetPtr make_array_dataset(std::vector<ArrayColumn> columns, int64_t samples);

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

// The same, in bounded memory: up to kListed samples it is epoch_order; beyond, a permutation that is computed entry by entry.
class EpochOrder {
 public:
  static constexpr int64_t kListed = int64_t{1} << 22;
  EpochOrder(int64_t n, uint64_t seed, int64_t epoch, int64_t listed = kListed);
  int64_t operator[](int64_t i) const;

 private:
  int64_t n_;
  std::vector<int64_t> list_;
  int half_bits_ = 0;  // of the Feistel network's domain
  uint32_t keys_[2] = {};
};

// The samples whose bit is set (bit i of word i / 64), in their order: a selection that costs a bit per sample.
DatasetPtr select_marked(DatasetPtr base, std::vector<uint64_t> bits);

// Part `rank` of [begin, end) cut into `world_size` contiguous parts whose sizes differ by at most one.
struct IndexRange {
  int64_t begin = 0, end = 0;
};
IndexRange rank_part(IndexRange whole, int rank, int world_size);

// All samples as one tensor per field (first axis: sample), skipped samples left out. For small sets and tests.
std::vector<Tensor> gather_all(const Dataset& dataset);

}  // namespace dl
