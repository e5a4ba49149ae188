// Rows of samples in one Spill, each row the values of all columns side by side, so that any amount of data is held in bounded memory;
// and windows over such rows, for series.
// Who uses it: sources that read numbers once and in order (CSV, JSON lines, TFRecord, text).
// Thread-safety: built by one thread, then read by any number.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "data/dataset.h"
#include "data/series.h"
#include "data/spill.h"

namespace dl {

// float32 columns hold floats; int32 columns numbers that `renumber`, unless empty, maps to the final ones.
struct StoredColumn {
  Field field;
  double scale = 1, offset = 0;  // value * scale + offset in float32, for float32 columns
  std::vector<int32_t> renumber;
};

struct StoredRows {
  std::vector<StoredColumn> columns;
  int64_t rows = 0;
  Spill spill;  // [rows][elements of all columns], 4 bytes each

  int64_t row_elements() const;
};
DatasetPtr make_stored_dataset(std::shared_ptr<const StoredRows> rows);

// Windows over the rows of one or more series. A window is `length` rows of input, `gap` rows that nobody sees, and `horizon` rows of
// target, flattened to [horizon * row elements]. Windows start every `stride` rows and never cross from one series into the next.
struct Window {
  int64_t length = 1, horizon = 1, stride = 1, gap = 0;
  int64_t span() const { return length + (horizon > 0 ? gap + horizon : 0); }
};

// Which rows the windows are made of, for splits that no window crosses.
struct SeriesLayout {
  std::vector<IndexRange> series;  // rows of each
  Window window;
  std::shared_ptr<const Spill> times;  // int64 seconds since 1970 of each row; null where the rows have no times
  std::vector<TimeRange> anomalies;    // when something is known to have been wrong

  int64_t windows_of(size_t s) const;
  int64_t windows() const;
  IndexRange rows_of(int64_t window) const;
  int64_t time_of(int64_t row) const;
  // The first row of [range) whose time is not before `seconds`.
  int64_t first_row_at(IndexRange range, int64_t seconds) const;

  std::vector<int64_t> first_window;  // of each series, and their number; filled by make_window_dataset
};
DatasetPtr make_window_dataset(std::shared_ptr<const StoredRows> rows, std::shared_ptr<const SeriesLayout> layout);

// Fills first_window.
std::shared_ptr<const SeriesLayout> make_layout(std::vector<IndexRange> series, const Window& window, std::shared_ptr<const Spill> times,
                                                std::vector<TimeRange> anomalies = {});

}  // namespace dl
