#include "data/stored.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/error.h"
#include "data/convert.h"

namespace dl {
namespace {

std::vector<Field> fields_of(const StoredRows& rows) {
  std::vector<Field> fields;
  for (const StoredColumn& column : rows.columns) fields.push_back(column.field);
  return fields;
}

// `count` values of a column.
void emit(const StoredColumn& column, const std::byte* src, int64_t count, std::byte* dst) {
  if (column.renumber.empty()) {
    convert_row(src, column.field.dtype, dst, column.field.dtype, count, column.scale, column.offset);
    return;
  }
  for (int64_t i = 0; i < count; ++i) {
    int32_t number = 0;
    std::memcpy(&number, src + 4 * i, 4);
    number = column.renumber[static_cast<size_t>(number)];
    std::memcpy(dst + 4 * i, &number, 4);
  }
}

// Bytes of a few rows: on the stack when they are few.
class RowBuffer {
 public:
  explicit RowBuffer(size_t bytes) : bytes_(bytes) {
    if (bytes > small_.size()) large_.resize(bytes);
  }
  std::span<std::byte> span() { return {bytes_ > small_.size() ? large_.data() : small_.data(), bytes_}; }

 private:
  size_t bytes_;
  alignas(64) std::array<std::byte, 4096> small_;
  std::vector<std::byte> large_;
};

class StoredDataset : public Dataset {
 public:
  explicit StoredDataset(std::shared_ptr<const StoredRows> rows)
      : rows_(std::move(rows)), fields_(fields_of(*rows_)), row_bytes_(static_cast<size_t>(4 * rows_->row_elements())) {}
  int64_t size() const override { return rows_->rows; }
  const std::vector<Field>& fields() const override { return fields_; }

 protected:
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw*) const override {
    DL_CHECK(index >= 0 && index < size(), "sample number out of range");
    RowBuffer buffer(row_bytes_);
    rows_->spill.read(index * static_cast<int64_t>(row_bytes_), buffer.span());
    const std::byte* src = buffer.span().data();
    for (size_t f = 0; f < fields_.size(); ++f) {
      const int64_t count = fields_[f].row_elements();
      emit(rows_->columns[f], src, count, rows[f]);
      src += 4 * count;
    }
    return true;
  }

 private:
  std::shared_ptr<const StoredRows> rows_;
  std::vector<Field> fields_;
  size_t row_bytes_;
};

class WindowDataset : public Dataset, public Series {
 public:
  WindowDataset(std::shared_ptr<const StoredRows> rows, std::shared_ptr<const SeriesLayout> layout)
      : rows_(std::move(rows)), layout_(std::move(layout)), row_bytes_(static_cast<size_t>(4 * rows_->row_elements())) {
    for (Field field : fields_of(*rows_)) {
      elements_.push_back(field.row_elements());
      if (field.target)
        field.dims = {layout_->window.horizon * elements_.back()};
      else
        field.dims.insert(field.dims.begin(), layout_->window.length);
      fields_.push_back(std::move(field));
    }
  }
  int64_t size() const override { return layout_->windows(); }
  const std::vector<Field>& fields() const override { return fields_; }
  SampleOrigin origin(int64_t index) const override { return {this, index}; }

  std::optional<TimeRange> times_of(int64_t window) const override {
    if (!layout_->times) return {};
    const IndexRange rows = layout_->rows_of(window);
    return TimeRange{layout_->time_of(rows.begin), layout_->time_of(rows.end - 1)};
  }
  const std::vector<TimeRange>& anomalies() const override { return layout_->anomalies; }
  bool last_value(int64_t window, size_t field, std::span<float> into) const override {
    const Window& shape = layout_->window;
    if (field >= fields_.size() || !fields_[field].target || fields_[field].dtype != DType::kFloat32 || shape.horizon == 0) return false;
    DL_CHECK(static_cast<int64_t>(into.size()) == fields_[field].row_elements(), "one value for each of the target");
    RowBuffer buffer(row_bytes_);
    const int64_t row = layout_->rows_of(window).begin + shape.length - 1;
    rows_->spill.read(row * static_cast<int64_t>(row_bytes_), buffer.span());
    int64_t before = 0;
    for (size_t f = 0; f < field; ++f) before += elements_[f];
    for (int64_t r = 0; r < shape.horizon; ++r)
      emit(rows_->columns[field], buffer.span().data() + 4 * before, elements_[field],
           reinterpret_cast<std::byte*>(into.data() + r * elements_[field]));
    return true;
  }

 protected:
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw*) const override {
    DL_CHECK(index >= 0 && index < size(), "window number out of range");
    const Window& window = layout_->window;
    const IndexRange range = layout_->rows_of(index);
    RowBuffer buffer(static_cast<size_t>(window.span()) * row_bytes_);
    rows_->spill.read(range.begin * static_cast<int64_t>(row_bytes_), buffer.span());
    size_t column_at = 0;
    for (size_t f = 0; f < fields_.size(); ++f) {
      const int64_t first = fields_[f].target ? window.length + window.gap : 0;
      const int64_t count = fields_[f].target ? window.horizon : window.length;
      const auto bytes = static_cast<size_t>(4 * elements_[f]);
      for (int64_t r = 0; r < count; ++r)
        emit(rows_->columns[f], buffer.span().data() + static_cast<size_t>(first + r) * row_bytes_ + column_at, elements_[f],
             rows[f] + static_cast<size_t>(r) * bytes);
      column_at += bytes;
    }
    return true;
  }

 private:
  std::shared_ptr<const StoredRows> rows_;
  std::shared_ptr<const SeriesLayout> layout_;
  std::vector<Field> fields_;
  std::vector<int64_t> elements_;  // per row of the series
  size_t row_bytes_;
};

}  // namespace

int64_t StoredRows::row_elements() const {
  int64_t elements = 0;
  for (const StoredColumn& column : columns) elements += column.field.row_elements();
  return elements;
}

int64_t SeriesLayout::windows_of(size_t s) const {
  const int64_t rows = series[s].end - series[s].begin;
  return rows < window.span() ? 0 : (rows - window.span()) / window.stride + 1;
}

int64_t SeriesLayout::windows() const { return first_window.back(); }

IndexRange SeriesLayout::rows_of(int64_t index) const {
  const auto after = std::upper_bound(first_window.begin(), first_window.end(), index);
  const auto s = static_cast<size_t>(after - first_window.begin()) - 1;
  const int64_t begin = series[s].begin + (index - first_window[s]) * window.stride;
  return {begin, begin + window.span()};
}

int64_t SeriesLayout::time_of(int64_t row) const {
  int64_t seconds = 0;
  times->read(8 * row, std::as_writable_bytes(std::span(&seconds, 1)));
  return seconds;
}

int64_t SeriesLayout::first_row_at(IndexRange range, int64_t seconds) const {
  while (range.begin < range.end && time_of(range.begin) < seconds) ++range.begin;  // times need not be sorted
  return range.begin;
}

std::shared_ptr<const SeriesLayout> make_layout(std::vector<IndexRange> series, const Window& window, std::shared_ptr<const Spill> times,
                                                std::vector<TimeRange> anomalies) {
  auto layout = std::make_shared<SeriesLayout>();
  layout->series = std::move(series);
  layout->window = window;
  layout->times = std::move(times);
  layout->anomalies = std::move(anomalies);
  layout->first_window = {0};
  for (size_t s = 0; s < layout->series.size(); ++s) layout->first_window.push_back(layout->first_window.back() + layout->windows_of(s));
  return layout;
}

DatasetPtr make_stored_dataset(std::shared_ptr<const StoredRows> rows) { return std::make_shared<StoredDataset>(std::move(rows)); }
DatasetPtr make_window_dataset(std::shared_ptr<const StoredRows> rows, std::shared_ptr<const SeriesLayout> layout) {
  return std::make_shared<WindowDataset>(std::move(rows), std::move(layout));
}

}  // namespace dl
