#include "train/anomalies.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace dl {
namespace {

constexpr double kDaysPerMonth = 365.25 / 12;

// Sorted, none of them touching another.
std::vector<TimeRange> united(std::vector<TimeRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const TimeRange& a, const TimeRange& b) { return a.from < b.from; });
  std::vector<TimeRange> result;
  for (const TimeRange& r : ranges) {
    if (!result.empty() && r.from <= result.back().to)
      result.back().to = std::max(result.back().to, r.to);
    else
      result.push_back(r);
  }
  return result;
}

double seconds_of(const std::vector<TimeRange>& ranges) {
  double seconds = 0;
  for (const TimeRange& r : ranges) seconds += static_cast<double>(r.to - r.from);
  return seconds;
}

std::vector<TimeRange> overlaps(const std::vector<TimeRange>& a, const std::vector<TimeRange>& b) {
  std::vector<TimeRange> result;
  for (const TimeRange& x : a)
    for (const TimeRange& y : b)
      if (x.meets(y)) result.push_back({std::max(x.from, y.from), std::min(x.to, y.to)});
  return result;
}

// Flagged samples one after the other are one alarm; windows with times also where they overlap, and only where they follow closely.
bool goes_on(const Alarm& alarm, int64_t sample, const std::vector<TimeRange>& times) {
  const bool next = sample == alarm.last + 1;
  if (times.empty()) return next;
  const TimeRange &before = times[static_cast<size_t>(alarm.last)], &now = times[static_cast<size_t>(sample)];
  if (now.from < before.from) return false;  // another series
  return now.from <= before.to || (next && now.from - before.to <= std::max<int64_t>(before.to - before.from, 1));
}

void find_alarms(AnomalyReport& report) {
  for (size_t i = 0; i < report.errors.size(); ++i) {
    const double error = report.errors[i];
    if (!(error > report.threshold)) continue;
    ++report.flagged;
    const auto sample = static_cast<int64_t>(i);
    if (report.alarms.empty() || !goes_on(report.alarms.back(), sample, report.times)) {
      report.alarms.push_back({sample, sample, {}, error, false});
      if (!report.times.empty()) report.alarms.back().times = report.times[i];
      continue;
    }
    Alarm& alarm = report.alarms.back();
    alarm.last = sample;
    alarm.peak = std::max(alarm.peak, error);
    if (alarm.times) alarm.times->to = std::max(alarm.times->to, report.times[i].to);
  }
}

}  // namespace

AnomalySpec read_anomalies(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  AnomalySpec result;
  spec::Reader reader(node, path, problems);
  static constexpr std::string_view kErrors[] = {"mse", "mae"};
  result.error = reader.get_choice("error", kErrors, "mse") == "mae" ? ErrorKind::kAbsolute : ErrorKind::kSquared;
  result.quantile = reader.get_float("quantile", 0.99, {0, 1});
  result.factor = reader.get_float("factor", 1.0, {0, 1e6, true});
  reader.finish();
  return result;
}

std::vector<double> sample_errors(const Tensor& target, const Tensor& prediction, ErrorKind kind) {
  DL_CHECK(target.size() == prediction.size(), "as many values predicted as there are");
  const int64_t samples = prediction.dims().at(0), width = samples ? prediction.size() / samples : 0;
  const Tensor t = target.cast(DType::kFloat64), p = prediction.cast(DType::kFloat64);
  std::vector<double> errors;
  for (int64_t i = 0; i < samples; ++i) {
    double sum = 0;
    for (int64_t k = i * width; k < (i + 1) * width; ++k) {
      const double d = p.data<double>()[k] - t.data<double>()[k];
      sum += kind == ErrorKind::kSquared ? d * d : std::abs(d);
    }
    errors.push_back(sum / static_cast<double>(std::max<int64_t>(width, 1)));
  }
  return errors;
}

double anomaly_threshold(std::vector<double> errors, const AnomalySpec& spec) {
  std::erase_if(errors, [](double e) { return std::isnan(e); });
  if (errors.empty()) return std::nan("");
  std::sort(errors.begin(), errors.end());
  const double at = spec.quantile * static_cast<double>(errors.size() - 1);
  const auto low = static_cast<size_t>(at);
  const size_t high = std::min(low + 1, errors.size() - 1);
  return spec.factor * (errors[low] + (errors[high] - errors[low]) * (at - static_cast<double>(low)));
}

int64_t AnomalyReport::false_alarms() const {
  return std::count_if(alarms.begin(), alarms.end(), [](const Alarm& a) { return !a.known; });
}

double AnomalyReport::false_alarms_per_month() const { return static_cast<double>(false_alarms()) / normal_days * kDaysPerMonth; }

Logs AnomalyReport::logs() const {
  Logs logs = {{"threshold", threshold}, {"flagged", static_cast<double>(flagged)}, {"alarms", static_cast<double>(alarms.size())}};
  if (known.empty()) return logs;
  const auto found = std::count_if(known.begin(), known.end(), [](const KnownAnomaly& k) { return k.found; });
  logs.emplace_back("anomalies_known", static_cast<double>(known.size()));
  logs.emplace_back("anomalies_found", static_cast<double>(found));
  logs.emplace_back("false_alarms", static_cast<double>(false_alarms()));
  if (normal_days > 0) logs.emplace_back("false_alarms_per_month", false_alarms_per_month());
  return logs;
}

AnomalyReport find_anomalies(const Dataset& dataset, std::vector<double> errors, double threshold) {
  AnomalyReport report;
  report.threshold = threshold;
  report.errors = std::move(errors);
  const auto samples = static_cast<int64_t>(report.errors.size());
  for (int64_t i = 0; i < samples; ++i) {
    const SampleOrigin origin = dataset.origin(i);
    const std::optional<TimeRange> times = origin.series ? origin.series->times_of(origin.window) : std::nullopt;
    if (!times) break;
    report.times.push_back(*times);
  }
  if (report.times.size() != report.errors.size()) report.times.clear();
  find_alarms(report);
  if (report.times.empty()) return report;

  const std::vector<TimeRange> covered = united(report.times);
  for (const TimeRange& range : united(dataset.origin(0).series->anomalies())) {
    KnownAnomaly known{range, false, 0};
    bool met = false;
    for (size_t i = 0; i < report.errors.size(); ++i) {
      if (!report.times[i].meets(range) || std::isnan(report.errors[i])) continue;
      met = true;
      known.peak = std::max(known.peak, report.errors[i]);
    }
    known.found = known.peak > threshold;
    if (met) report.known.push_back(known);
  }
  std::vector<TimeRange> ranges;
  for (const KnownAnomaly& k : report.known) ranges.push_back(k.times);
  for (Alarm& alarm : report.alarms)
    alarm.known = std::any_of(ranges.begin(), ranges.end(), [&](const TimeRange& r) { return alarm.times->meets(r); });
  report.normal_days = (seconds_of(covered) - seconds_of(overlaps(covered, ranges))) / 86400;
  return report;
}

}  // namespace dl
