#include "data/dataset.h"

#include <fmt/format.h>

#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/philox.h"
#include "data/convert.h"

namespace dl {
namespace {

std::vector<Field> fields_of(const std::vector<MemoryColumn>& columns) {
  std::vector<Field> fields;
  for (const MemoryColumn& column : columns) fields.push_back(column.field);
  return fields;
}

class MemoryDataset : public Dataset {
 public:
  MemoryDataset(std::vector<MemoryColumn> columns, int64_t samples)
      : columns_(std::move(columns)), fields_(fields_of(columns_)), samples_(samples) {
    for (const MemoryColumn& c : columns_) {
      elements_.push_back(c.field.row_elements());
      DL_CHECK(c.rows.size() == samples * elements_.back(), "column '" + c.field.name + "' does not hold one row per sample");
    }
  }
  int64_t size() const override { return samples_; }
  const std::vector<Field>& fields() const override { return fields_; }
  bool get(int64_t index, std::span<std::byte* const> rows) const override {
    DL_CHECK(index >= 0 && index < samples_, "sample number out of range");
    for (size_t f = 0; f < columns_.size(); ++f) {
      const MemoryColumn& c = columns_[f];
      const auto* src = static_cast<const std::byte*>(c.rows.raw()) + static_cast<size_t>(index * elements_[f]) * size_of(c.rows.dtype());
      convert_row(src, c.rows.dtype(), rows[f], fields_[f].dtype, elements_[f], c.scale, c.offset);
    }
    return true;
  }

 private:
  std::vector<MemoryColumn> columns_;
  std::vector<Field> fields_;
  std::vector<int64_t> elements_;
  int64_t samples_;
};

class WindowDataset : public Dataset {
 public:
  WindowDataset(std::vector<MemoryColumn> columns, int64_t rows, const Window& window)
      : columns_(std::move(columns)), fields_(fields_of(columns_)), window_(window) {
    const int64_t span = window.length + window.horizon;
    size_ = rows < span ? 0 : (rows - span) / window.stride + 1;
    for (size_t f = 0; f < fields_.size(); ++f) {
      const int64_t elements = fields_[f].row_elements();
      DL_CHECK(columns_[f].rows.size() == rows * elements, "column '" + fields_[f].name + "' does not hold one value per row");
      elements_.push_back(elements);
      if (fields_[f].target)
        fields_[f].dims = {window.horizon * elements};
      else
        fields_[f].dims.insert(fields_[f].dims.begin(), window.length);
    }
  }
  int64_t size() const override { return size_; }
  const std::vector<Field>& fields() const override { return fields_; }
  bool get(int64_t index, std::span<std::byte* const> rows) const override {
    DL_CHECK(index >= 0 && index < size_, "window number out of range");
    for (size_t f = 0; f < columns_.size(); ++f) {
      const MemoryColumn& c = columns_[f];
      const int64_t first = index * window_.stride + (fields_[f].target ? window_.length : 0);
      const int64_t count = (fields_[f].target ? window_.horizon : window_.length) * elements_[f];
      const auto* src = static_cast<const std::byte*>(c.rows.raw()) + static_cast<size_t>(first * elements_[f]) * size_of(c.rows.dtype());
      convert_row(src, c.rows.dtype(), rows[f], fields_[f].dtype, count, c.scale, c.offset);
    }
    return true;
  }

 private:
  std::vector<MemoryColumn> columns_;
  std::vector<Field> fields_;
  std::vector<int64_t> elements_;  // per row of the series
  Window window_;
  int64_t size_ = 0;
};

class Selection : public Dataset {
 public:
  Selection(DatasetPtr base, std::vector<int64_t> indices) : base_(std::move(base)), indices_(std::move(indices)) {
    for (int64_t i : indices_) DL_CHECK(i >= 0 && i < base_->size(), "selected sample out of range");
  }
  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  const std::vector<Field>& fields() const override { return base_->fields(); }
  bool get(int64_t index, std::span<std::byte* const> rows) const override {
    DL_CHECK(index >= 0 && index < size(), "sample number out of range");
    return base_->get(indices_[static_cast<size_t>(index)], rows);
  }

 private:
  DatasetPtr base_;
  std::vector<int64_t> indices_;
};

class Slice : public Dataset {
 public:
  Slice(DatasetPtr base, int64_t begin, int64_t end) : base_(std::move(base)), begin_(begin), end_(end) {
    DL_CHECK(0 <= begin && begin <= end && end <= base_->size(), "slice out of range");
  }
  int64_t size() const override { return end_ - begin_; }
  const std::vector<Field>& fields() const override { return base_->fields(); }
  bool get(int64_t index, std::span<std::byte* const> rows) const override {
    DL_CHECK(index >= 0 && index < size(), "sample number out of range");
    return base_->get(begin_ + index, rows);
  }

 private:
  DatasetPtr base_;
  int64_t begin_, end_;
};

class CastDataset : public Dataset {
 public:
  CastDataset(DatasetPtr base, const std::vector<DType>& dtypes) : base_(std::move(base)), fields_(base_->fields()) {
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
  int64_t size() const override { return base_->size(); }
  const std::vector<Field>& fields() const override { return fields_; }
  bool get(int64_t index, std::span<std::byte* const> rows) const override {
    const std::vector<Field>& from = base_->fields();
    // Local, not thread_local: casts nest.
    const auto scratch = std::make_unique<std::byte[]>(scratch_bytes_);
    std::vector<std::byte*> targets(rows.begin(), rows.end());
    for (size_t f = 0; f < from.size(); ++f)
      if (scratch_at_[f] != kInPlace) targets[f] = scratch.get() + scratch_at_[f];
    if (!base_->get(index, targets)) return false;
    for (size_t f = 0; f < from.size(); ++f)
      if (scratch_at_[f] != kInPlace) convert_row(targets[f], from[f].dtype, rows[f], fields_[f].dtype, from[f].row_elements());
    return true;
  }

 private:
  static constexpr size_t kInPlace = SIZE_MAX;
  DatasetPtr base_;
  std::vector<Field> fields_;
  std::vector<size_t> scratch_at_;
  size_t scratch_bytes_ = 0;
};

}  // namespace

DatasetPtr make_memory_dataset(std::vector<MemoryColumn> columns, int64_t samples) {
  return std::make_shared<MemoryDataset>(std::move(columns), samples);
}
DatasetPtr make_window_dataset(std::vector<MemoryColumn> columns, int64_t rows, const Window& window) {
  return std::make_shared<WindowDataset>(std::move(columns), rows, window);
}
DatasetPtr select(DatasetPtr base, std::vector<int64_t> indices) {
  return std::make_shared<Selection>(std::move(base), std::move(indices));
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
