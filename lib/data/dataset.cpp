#include "data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/philox.h"
#include "data/convert.h"

namespace dl {
namespace {

std::vector<Field> fields_of(const std::vector<ArrayColumn>& columns) {
  std::vector<Field> fields;
  for (const ArrayColumn& column : columns) fields.push_back(column.field);
  return fields;
}

class ArrayDataset : public Dataset {
 public:
  ArrayDataset(std::vector<ArrayColumn> columns, int64_t samples)
      : columns_(std::move(columns)), fields_(fields_of(columns_)), samples_(samples) {
    for (const ArrayColumn& c : columns_) {
      elements_.push_back(c.field.row_elements());
      DL_CHECK(c.rows.size() == samples * elements_.back(), "column '" + c.field.name + "' does not hold one row per sample");
    }
  }
  int64_t size() const override { return samples_; }
  const std::vector<Field>& fields() const override { return fields_; }
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw*) const override {
    DL_CHECK(index >= 0 && index < samples_, "sample number out of range");
    thread_local std::vector<std::byte> buffer;
    for (size_t f = 0; f < columns_.size(); ++f) {
      const ArrayColumn& c = columns_[f];
      convert_row(c.rows.elements(index * elements_[f], elements_[f], buffer), c.rows.dtype(), rows[f], fields_[f].dtype, elements_[f],
                  c.scale, c.offset);
    }
    return true;
  }

 private:
  std::vector<ArrayColumn> columns_;
  std::vector<Field> fields_;
  std::vector<int64_t> elements_;
  int64_t samples_;
};

class Selection : public Decorator {
 public:
  Selection(DatasetPtr base, std::vector<int64_t> indices) : Decorator(std::move(base)), indices_(std::move(indices)) {
    for (int64_t i : indices_) DL_CHECK(i >= 0 && i < base_->size(), "selected sample out of range");
  }
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }

 protected:
  int64_t base_index(int64_t index) const override {
    DL_CHECK(index >= 0 && index < size(), "sample number out of range");
    return indices_[static_cast<size_t>(index)];
  }

 private:
  std::vector<int64_t> indices_;
};

class Slice : public Decorator {
 public:
  Slice(DatasetPtr base, int64_t begin, int64_t end) : Decorator(std::move(base)), begin_(begin), end_(end) {
    DL_CHECK(0 <= begin && begin <= end && end <= base_->size(), "slice out of range");
  }
  int64_t size() const override { return end_ - begin_; }

 protected:
  int64_t base_index(int64_t index) const override {
    DL_CHECK(index >= 0 && index < size(), "sample number out of range");
    return begin_ + index;
  }

 private:
  int64_t begin_, end_;
};

class MarkedSelection : public Decorator {
 public:
  MarkedSelection(DatasetPtr base, std::vector<uint64_t> bits) : Decorator(std::move(base)), bits_(std::move(bits)) {
    DL_CHECK(static_cast<int64_t>(bits_.size()) == (base_->size() + 63) / 64, "one bit per sample");
    for (size_t w = 0; w < bits_.size(); ++w) {
      if (w % kBlock == 0) before_.push_back(size_);
      size_ += std::popcount(bits_[w]);
    }
  }
  int64_t size() const override { return size_; }

 protected:
  // The sample of the set bit number `index`.
  int64_t base_index(int64_t index) const override {
    DL_CHECK(index >= 0 && index < size_, "sample number out of range");
    const auto block = static_cast<size_t>(std::upper_bound(before_.begin(), before_.end(), index) - before_.begin()) - 1;
    int64_t left = index - before_[block];
    size_t w = block * kBlock;
    for (int n = std::popcount(bits_[w]); left >= n; n = std::popcount(bits_[w])) {
      left -= n;
      ++w;
    }
    uint64_t word = bits_[w];
    for (; left > 0; --left) word &= word - 1;
    return static_cast<int64_t>(w * 64) + std::countr_zero(word);
  }

 private:
  static constexpr size_t kBlock = 16;  // words with a count of their own

  std::vector<uint64_t> bits_;
  std::vector<int64_t> before_;  // set bits before each block
  int64_t size_ = 0;
};

class CastDataset : public Decorator {
 public:
  CastDataset(DatasetPtr base, const std::vector<DType>& dtypes) : Decorator(std::move(base)), fields_(base_->fields()) {
    DL_CHECK(dtypes.size() == fields_.size(), "one dtype per field");
    for (size_t f = 0; f < fields_.size(); ++f) {
      fields_[f].dtype = dtypes[f];
      if (dtypes[f] == base_->fields()[f].dtype) {
        scratch_at_.push_back(kInPlace);
        continue;
      }
      scratch_at_.push_back(scratch_bytes_);
      scratch_bytes_ += (base_->fields()[f].row_bytes() + 63) / 64 * 64;
    }
  }
  const std::vector<Field>& fields() const override { return fields_; }

 protected:
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw* draw) const override {
    const std::vector<Field>& from = base_->fields();
    // Local, not thread_local: casts nest.
    const auto scratch = std::make_unique<std::byte[]>(scratch_bytes_);
    std::vector<std::byte*> targets(rows.begin(), rows.end());
    for (size_t f = 0; f < from.size(); ++f)
      if (scratch_at_[f] != kInPlace) targets[f] = scratch.get() + scratch_at_[f];
    if (!base_->get(index, targets, draw)) return false;
    for (size_t f = 0; f < from.size(); ++f)
      if (scratch_at_[f] != kInPlace) convert_row(targets[f], from[f].dtype, rows[f], fields_[f].dtype, from[f].row_elements());
    return true;
  }

 private:
  static constexpr size_t kInPlace = SIZE_MAX;
  std::vector<Field> fields_;
  std::vector<size_t> scratch_at_;
  size_t scratch_bytes_ = 0;
};

}  // namespace

DatasetPtr make_array_dataset(std::vector<ArrayColumn> columns, int64_t samples) {
  return std::make_shared<ArrayDataset>(std::move(columns), samples);
}
DatasetPtr select(DatasetPtr base, std::vector<int64_t> indices) {
  return std::make_shared<Selection>(std::move(base), std::move(indices));
}
DatasetPtr select_marked(DatasetPtr base, std::vector<uint64_t> bits) {
  return std::make_shared<MarkedSelection>(std::move(base), std::move(bits));
}
DatasetPtr slice(DatasetPtr base, int64_t begin, int64_t end) { return std::make_shared<Slice>(std::move(base), begin, end); }
DatasetPtr shard(DatasetPtr base, int rank, int world_size) {
  const IndexRange part = rank_part({0, base->size()}, rank, world_size);
  return slice(std::move(base), part.begin, part.end);
}
DatasetPtr shuffle(DatasetPtr base, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order = epoch_order(base->size(), seed, epoch);
  return select(std::move(base), std::move(order));
}
DatasetPtr cast_fields(DatasetPtr base, std::vector<DType> dtypes) {
  bool same = true;
  for (size_t f = 0; f < base->fields().size() && f < dtypes.size(); ++f) same = same && base->fields()[f].dtype == dtypes[f];
  if (same && dtypes.size() == base->fields().size()) return base;
  return std::make_shared<CastDataset>(std::move(base), dtypes);
}

std::vector<int64_t> epoch_order(int64_t n, uint64_t seed, int64_t epoch) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  static constexpr std::string_view kName = "data.shuffle";
  RandomSequence random(seed, hash_name(kName.data(), kName.size()) + static_cast<uint64_t>(epoch));
  for (int64_t i = n - 1; i > 0; --i)
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(random.next_below(static_cast<uint64_t>(i) + 1))]);
  return order;
}

namespace {
// Feistel network over [0, 4^half_bits): a permutation whatever the round function does (Luby and Rackoff, 1988).
uint64_t feistel(uint64_t value, int half_bits, const uint32_t* keys) {
  const uint64_t mask = (uint64_t{1} << half_bits) - 1;
  uint64_t left = value >> half_bits, right = value & mask;
  for (uint32_t round = 0; round < 8; ++round) {
    // The finalizer of splitmix64 over (half, round, keys).
    uint64_t z = right + (uint64_t{keys[round % 2]} << 32) + (uint64_t{round} + keys[1 - round % 2]) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    const uint64_t next = left ^ (z & mask);
    left = right;
    right = next;
  }
  return left << half_bits | right;
}
}  // namespace

EpochOrder::EpochOrder(int64_t n, uint64_t seed, int64_t epoch, int64_t listed) : n_(n) {
  if (n <= listed) {
    list_ = epoch_order(n, seed, epoch);
    return;
  }
  static constexpr std::string_view kName = "data.shuffle.large";
  RandomSequence random(seed, hash_name(kName.data(), kName.size()) + static_cast<uint64_t>(epoch));
  for (uint32_t& key : keys_) key = random.next_u32();
  while (int64_t{1} << (2 * half_bits_) < n) ++half_bits_;
}

int64_t EpochOrder::operator[](int64_t i) const {
  if (!list_.empty()) return list_[static_cast<size_t>(i)];
  auto value = static_cast<uint64_t>(i);
  do value = feistel(value, half_bits_, keys_);  // walks out of the part of the domain that is no sample: below 4 steps on average
  while (value >= static_cast<uint64_t>(n_));
  return static_cast<int64_t>(value);
}

int32_t Dataset::label(int64_t index, size_t field) const {
  std::vector<std::vector<uint64_t>> buffers;  // aligned for every dtype
  std::vector<std::byte*> rows;
  for (const Field& any : fields()) buffers.emplace_back(any.row_bytes() / sizeof(uint64_t) + 1);
  for (std::vector<uint64_t>& buffer : buffers) rows.push_back(reinterpret_cast<std::byte*>(buffer.data()));
  return get(index, rows) ? *reinterpret_cast<const int32_t*>(rows[field]) : -1;
}

IndexRange rank_part(IndexRange whole, int rank, int world_size) {
  DL_CHECK(world_size > 0 && rank >= 0 && rank < world_size, "rank out of range");
  const int64_t n = whole.end - whole.begin, base = n / world_size, extra = n % world_size;
  const auto begin_of = [&](int64_t r) { return whole.begin + r * base + std::min<int64_t>(r, extra); };
  return {begin_of(rank), begin_of(rank + 1)};
}

std::vector<Tensor> gather_all(const Dataset& dataset) {
  const std::vector<Field>& fields = dataset.fields();
  std::vector<Tensor> tensors;
  for (const Field& field : fields) {
    Dims dims = field.dims;
    dims.insert(dims.begin(), dataset.size());
    tensors.emplace_back(field.dtype, dims);
  }
  int64_t kept = 0;
  std::vector<std::byte*> rows(fields.size());
  for (int64_t i = 0; i < dataset.size(); ++i) {
    for (size_t f = 0; f < fields.size(); ++f)
      rows[f] = static_cast<std::byte*>(tensors[f].raw()) + static_cast<size_t>(kept) * fields[f].row_bytes();
    kept += dataset.get(i, rows);
  }
  if (kept < dataset.size())
    for (Tensor& t : tensors) t = t.rows(0, kept);
  return tensors;
}

}  // namespace dl
