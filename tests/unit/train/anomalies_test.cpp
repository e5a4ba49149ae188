#include "train/anomalies.h"

#include <doctest/doctest.h>

#include <cmath>

#include "spec/yaml.h"
#include "unit/text.h"

using namespace dl;

namespace {

// Hourly windows of two hours, from `first` hours on.
class Hours : public Dataset, public Series {
 public:
  Hours(std::vector<int64_t> starts, std::vector<TimeRange> anomalies) : starts_(std::move(starts)), anomalies_(std::move(anomalies)) {}
  int64_t size() const override { return static_cast<int64_t>(starts_.size()); }
  const std::vector<Field>& fields() const override { return fields_; }
  SampleOrigin origin(int64_t index) const override { return {this, index}; }
  std::optional<TimeRange> times_of(int64_t w) const override {
    const int64_t start = starts_[static_cast<size_t>(w)] * 3600;
    return TimeRange{start, start + 7200};
  }
  bool last_value(int64_t, size_t, std::span<float>) const override { return false; }
  const std::vector<TimeRange>& anomalies() const override { return anomalies_; }

 protected:
  bool read(int64_t, std::span<std::byte* const>, const Draw*) const override { return false; }

 private:
  std::vector<int64_t> starts_;
  std::vector<TimeRange> anomalies_;
  std::vector<Field> fields_;
};

TimeRange hours_range(int64_t from, int64_t to) { return {from * 3600, to * 3600}; }

}  // namespace

TEST_CASE("anomalies: errors of samples are means over their values") {
  const Tensor target = Tensor::from<float>({2, 2}, std::vector<float>{1, 2, 3, 4});
  const Tensor prediction = Tensor::from<float>({2, 2, 1}, std::vector<float>{1, 4, 0, 5});
  CHECK(sample_errors(target, prediction, ErrorKind::kSquared) == std::vector<double>{2, 5});
  CHECK(sample_errors(target, prediction, ErrorKind::kAbsolute) == std::vector<double>{1, 2});
}

TEST_CASE("anomalies: the threshold is NumPy's quantile times the factor") {
  const std::vector<double> errors = {4, 1, NAN, 3, 2, 10};
  CHECK(anomaly_threshold(errors, {ErrorKind::kSquared, 0.5, 1}) == 3);
  CHECK(anomaly_threshold(errors, {ErrorKind::kSquared, 1, 1.5}) == 15);
  CHECK(anomaly_threshold(errors, {ErrorKind::kSquared, 0.9, 1}) == doctest::Approx(7.6).epsilon(1e-12));
  CHECK(anomaly_threshold(errors, {ErrorKind::kSquared, 0, 1}) == 1);
  CHECK(std::isnan(anomaly_threshold({}, {})));
}

TEST_CASE("anomalies: touching windows are one alarm; one away from all known anomalies is false") {
  std::vector<int64_t> starts;
  for (int64_t h = 0; h < 100; ++h) starts.push_back(h);
  const Hours data(starts, {hours_range(10, 12), hours_range(50, 51), hours_range(500, 600)});
  std::vector<double> errors(100, 0.5);
  for (const size_t i : {9, 11, 30, 31, 35}) errors[i] = 2;
  errors[31] = 3;
  errors[90] = NAN;
  const AnomalyReport report = find_anomalies(data, errors, 1);
  CHECK(report.flagged == 5);
  REQUIRE(report.alarms.size() == 3);
  CHECK(report.alarms[0].first == 9);
  CHECK(report.alarms[0].last == 11);  // hour 9 to 11 and 11 to 13
  CHECK(report.alarms[0].known);
  CHECK(*report.alarms[1].times == hours_range(30, 33));
  CHECK(report.alarms[1].peak == 3);
  CHECK(!report.alarms[1].known);
  CHECK(!report.alarms[2].known);
  REQUIRE(report.known.size() == 2);  // the third is not in the data
  CHECK(report.known[0].found);
  CHECK(!report.known[1].found);
  CHECK(report.known[1].peak == 0.5);
  CHECK(report.normal_days == doctest::Approx((101 - 2 - 1) / 24.0).epsilon(1e-12));
  CHECK(report.false_alarms() == 2);
  CHECK(report.false_alarms_per_month() == doctest::Approx(2 / (98 / 24.0) * 365.25 / 12).epsilon(1e-12));
  const Logs logs = report.logs();
  REQUIRE(logs.size() == std::size(kAnomalyLogs));
  for (size_t i = 0; i < logs.size(); ++i) CHECK(logs[i].first == kAnomalyLogs[i]);
  CHECK(find_log(logs, "anomalies_found") == 1);
}

TEST_CASE("anomalies: nothing known, no times, another series") {
  const Hours two({0, 1, 2, 0, 1, 2}, {});
  const AnomalyReport restarted = find_anomalies(two, {0, 0, 2, 2, 0, 0}, 1);
  CHECK(restarted.alarms.size() == 2);  // the second file begins anew
  CHECK(restarted.logs().size() == 3);
  const DatasetPtr plain = make_array_dataset({{Field{"x", DType::kFloat32, {1}, false, {}}, Tensor(DType::kFloat32, {4, 1})}}, 4);
  const AnomalyReport numbered = find_anomalies(*plain, {2, 2, 0, 2}, 1);
  CHECK(numbered.alarms.size() == 2);
  CHECK(!numbered.alarms[0].times);
  CHECK(has(render_anomalies(numbered), "3 of 4 samples"));
}

TEST_CASE("anomalies: the section shows curve, threshold, known anomalies and alarms") {
  std::vector<int64_t> starts;
  for (int64_t h = 0; h < 5000; ++h) starts.push_back(h);
  const Hours data(starts, {hours_range(10, 12)});
  std::vector<double> errors(5000, 0.01);
  errors[10] = 5;
  errors[4000] = 0;
  AnomalyReport report = find_anomalies(data, errors, 1);
  report.data_name = "<test>";
  const std::string html = render_anomalies(report);
  CHECK(has(html, "1 of 1 known anomalies are found. 0 false alarms in 208.3 normal days: 0.00 a month."));
  CHECK(has(html, "&lt;test&gt;"));
  CHECK(has(html, "1970-01-01 10:00"));
  CHECK(has(html, "class=\"known\""));
  CHECK(html.find("nan") == std::string::npos);
  CHECK(html.size() < 40'000);  // thousands of windows do not make the page large
  for (const AnomalyReport& empty : {find_anomalies(Hours({}, {}), {}, NAN), find_anomalies(Hours({1}, {}), {0}, 0)}) {
    const std::string page = render_anomalies(empty);
    CHECK(page.find("inf") == std::string::npos);
    CHECK(page.find(",nan") == std::string::npos);  // no such coordinate
  }
}

TEST_CASE("anomalies: keys") {
  spec::Problems problems;
  const AnomalySpec all = read_anomalies(spec::parse_yaml("{error: mae, quantile: 0.995, factor: 1.2}", "r"), "anomalies", problems);
  CHECK(all.error == ErrorKind::kAbsolute);
  CHECK(all.quantile == 0.995);
  CHECK(all.factor == 1.2);
  CHECK(problems.empty());
  read_anomalies(spec::parse_yaml("{error: rmse, quantile: 99, facter: 1}", "r"), "anomalies", problems);
  CHECK(problems.lines().size() == 3);
}
