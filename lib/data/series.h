// Series: what is known of samples that are windows over the rows of a series, beyond their values.
// Who uses it: evaluation, which sets results beside the forecast "as the last value" and tells when an anomaly was.
// Thread-safety: const, any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace dl {

struct TimeRange {  // seconds since 1970, both ends included
  int64_t from = 0, to = 0;
  bool meets(const TimeRange& other) const { return from <= other.to && other.from <= to; }
  friend bool operator==(const TimeRange&, const TimeRange&) = default;
};

class Series {
 public:
  virtual ~Series() = default;
  // From the first to the last row of window number `window`; null where the rows have no times.
  virtual std::optional<TimeRange> times_of(int64_t window) const = 0;
  // The target `field` (one of the source) as if nothing changed after the last row of the input: that row's values, once for each row of
  // the target, in the units of the data. False where the field is no such target.
  virtual bool last_value(int64_t window, size_t field, std::span<float> into) const = 0;
  // When something is known to have been wrong.
  virtual const std::vector<TimeRange>& anomalies() const = 0;
};

}  // namespace dl
