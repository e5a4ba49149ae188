// Anomalies: samples that a network which learned from normal data predicts or reconstructs worse than those. The threshold is a quantile
// of the errors of normal data; flagged windows of a series that touch are one alarm, and an alarm away from all known anomalies is false.
// Who uses it: the training loop (threshold, report), eval, predict. `anomalies:` of the run file switches it on; dltool-spec(5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/series.h"
#include "spec/reader.h"
#include "train/history.h"

namespace dl {

enum class ErrorKind { kSquared, kAbsolute };

struct AnomalySpec {
  ErrorKind error = ErrorKind::kSquared;
  double quantile = 0.99;  // of the errors of normal data
  double factor = 1;       // times it is the threshold
};
AnomalySpec read_anomalies(const spec::Node& node, const std::string& path, spec::Problems& problems);

// The mean error of each sample (first axis); both tensors hold as many values.
std::vector<double> sample_errors(const Tensor& target, const Tensor& prediction, ErrorKind kind);
// The quantile with linear interpolation (as NumPy's), times the factor; NaN errors are left out.
double anomaly_threshold(std::vector<double> errors, const AnomalySpec& spec);

struct Alarm {
  int64_t first = 0, last = 0;     // samples
  std::optional<TimeRange> times;  // of a series with times
  double peak = 0;                 // the largest error
  bool known = false;              // it meets a known anomaly
};

struct KnownAnomaly {
  TimeRange times;
  bool found = false;
  double peak = 0;  // the largest error of a window that meets it
};

struct AnomalyReport {
  std::string data_name;  // "test"
  double threshold = 0;
  std::vector<double> errors;    // by sample
  std::vector<TimeRange> times;  // by sample; empty where there are none
  int64_t flagged = 0;           // samples above the threshold
  std::vector<Alarm> alarms;
  std::vector<KnownAnomaly> known;  // those that the data covers
  double normal_days = 0;           // covered by the data, without the known anomalies

  int64_t false_alarms() const;           // where there are known anomalies
  double false_alarms_per_month() const;  // of 30.44 days
  Logs logs() const;                      // those of kAnomalyLogs that are known
};
inline constexpr const char* kAnomalyLogs[] = {
    "threshold", "flagged", "alarms", "anomalies_known", "anomalies_found", "false_alarms", "false_alarms_per_month"};
// `errors`: one for each sample of `dataset`.
AnomalyReport find_anomalies(const Dataset& dataset, std::vector<double> errors, double threshold);

// <section> with the errors over time, threshold, known anomalies and alarms.
std::string render_anomalies(const AnomalyReport& report);

}  // namespace dl
