// The section of the report about anomalies.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "data/timestamp.h"
#include "train/anomalies.h"
#include "train/html.h"
#include "train/svg_chart.h"

namespace dl {
namespace {

constexpr double kPlotWidth = 1100, kPlotHeight = 300, kPlotLeft = 64, kPlotRight = 12, kPlotTop = 12, kPlotBottom = 30;
constexpr int64_t kPlotColumns = 1000;  // more points than pixels tell nothing
constexpr size_t kMaxListedAlarms = 200;
constexpr int64_t kDay = 86400;

std::string time_text(int64_t seconds) { return timestamp_text(seconds).substr(0, 16); }  // without seconds

// The errors as a curve: over time, or over the numbers of the samples; on a log axis, since anomalies are many times larger.
class ErrorCurve {
 public:
  explicit ErrorCurve(const AnomalyReport& report) : report_(report) {
    const auto samples = static_cast<int64_t>(report.errors.size());
    first_ = report.times.empty() ? 0 : middle(report.times[0]);
    last_ = report.times.empty() ? samples - 1 : first_;
    for (const TimeRange& t : report.times) {
      first_ = std::min(first_, middle(t));
      last_ = std::max(last_, middle(t));
    }
    double low = std::numeric_limits<double>::infinity(), high = 0;
    const auto add = [&](double e) {
      if (!std::isfinite(e) || e <= 0) return;
      low = std::min(low, e);
      high = std::max(high, e);
    };
    add(report.threshold);
    for (const double e : report.errors) add(e);
    if (high == 0) return;
    low_ = std::floor(std::log10(std::max(low, high * 1e-6)));
    high_ = std::log10(high) + 0.05 * (std::log10(high) - low_) + 0.01;
  }

  std::string render() const {
    std::string out = fmt::format(
        "<figure class=\"chart\"><figcaption><b>Error of each {}</b>{}<span class=\"key validation\">threshold "
        "<b>{}</b></span></figcaption><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"Errors\">",
        report_.times.empty() ? "sample" : "window", "<span class=\"note\">log scale</span>", format_number(report_.threshold), kPlotWidth,
        kPlotHeight);
    return out + known() + axes() + curve() + "</svg></figure>\n";
  }

 private:
  static int64_t middle(const TimeRange& t) { return t.from + (t.to - t.from) / 2; }

  double x_of(int64_t at) const {
    const double share = last_ > first_ ? static_cast<double>(at - first_) / static_cast<double>(last_ - first_) : 0.5;
    return kPlotLeft + std::clamp(share, 0.0, 1.0) * (kPlotWidth - kPlotLeft - kPlotRight);
  }
  double y_of(double error) const {
    const double share = (std::log10(std::max(error, 1e-300)) - low_) / (high_ - low_);
    return kPlotHeight - kPlotBottom - std::clamp(share, 0.0, 1.0) * (kPlotHeight - kPlotTop - kPlotBottom);
  }

  std::string known() const {
    std::string out;
    for (const KnownAnomaly& k : report_.known) {
      const double from = x_of(k.times.from), to = x_of(k.times.to);
      out +=
          fmt::format("<rect class=\"known\" x=\"{:.1f}\" y=\"{:g}\" width=\"{:.1f}\" height=\"{:g}\"><title>{} to {}: {}</title></rect>",
                      from, kPlotTop, std::max(to - from, 2.0), kPlotHeight - kPlotTop - kPlotBottom, time_text(k.times.from),
                      time_text(k.times.to), k.found ? "found" : "missed");
    }
    return out;
  }

  std::string axes() const {
    std::string out;
    const double right = kPlotWidth - kPlotRight, foot = kPlotHeight - kPlotBottom;
    for (double power = low_; power <= high_; ++power) {
      const double y = y_of(std::pow(10, power));
      out += fmt::format("<path class=\"grid\" d=\"M{:g} {:.1f}H{:g}\"/><text x=\"{:g}\" y=\"{:.1f}\" text-anchor=\"end\">{:.4g}</text>",
                         kPlotLeft, y, right, kPlotLeft - 6, y + 4, std::pow(10, power));
    }
    out += fmt::format("<path class=\"axis\" d=\"M{:g} {:g}H{:g}\"/>", kPlotLeft, foot, right);
    for (const auto& [at, label] : ticks())
      out += fmt::format("<path class=\"axis\" d=\"M{:.1f} {:g}v4\"/><text x=\"{:.1f}\" y=\"{:g}\" text-anchor=\"middle\">{}</text>",
                         x_of(at), foot, x_of(at), kPlotHeight - 10, label);
    if (!std::isfinite(report_.threshold)) return out;
    const double y = y_of(report_.threshold);
    out += fmt::format("<polyline class=\"validation\" points=\"{:g},{:.1f} {:g},{:.1f}\"/>", kPlotLeft, y, right, y);
    return out;
  }

  std::vector<std::pair<int64_t, std::string>> ticks() const {
    std::vector<std::pair<int64_t, std::string>> result;
    if (report_.times.empty()) {
      for (const double tick : nice_ticks(static_cast<double>(first_), static_cast<double>(last_), 8))
        result.emplace_back(static_cast<int64_t>(tick), format_count(static_cast<int64_t>(tick)));
      return result;
    }
    const int64_t span = last_ - first_;
    if (span < 4 * kDay) {
      for (int i = 0; i < 5; ++i) result.emplace_back(first_ + span * i / 4, time_text(first_ + span * i / 4));
      return result;
    }
    const int64_t step = std::max<int64_t>(1, (span / kDay + 9) / 10) * kDay;
    for (int64_t at = (first_ + kDay - 1) / kDay * kDay; at <= last_; at += step) result.emplace_back(at, time_text(at).substr(0, 10));
    return result;
  }

  // The largest error of each column of pixels.
  std::string curve() const {
    std::vector<double> columns(kPlotColumns, -1);
    for (size_t i = 0; i < report_.errors.size(); ++i) {
      if (!std::isfinite(report_.errors[i])) continue;
      const int64_t at = report_.times.empty() ? static_cast<int64_t>(i) : middle(report_.times[i]);
      const double share = last_ > first_ ? static_cast<double>(at - first_) / static_cast<double>(last_ - first_) : 0;
      double& column = columns[static_cast<size_t>(share * (kPlotColumns - 1))];
      column = std::max(column, report_.errors[i]);
    }
    std::string points;
    for (size_t c = 0; c < columns.size(); ++c) {
      if (columns[c] < 0) continue;
      const double x = kPlotLeft + static_cast<double>(c) / (kPlotColumns - 1) * (kPlotWidth - kPlotLeft - kPlotRight);
      points += fmt::format("{}{:.1f},{:.1f}", points.empty() ? "" : " ", x, y_of(columns[c]));
    }
    return "<polyline class=\"train thin\" points=\"" + points + "\"/>";
  }

  const AnomalyReport& report_;
  int64_t first_ = 0, last_ = 0;
  double low_ = 0, high_ = 1;  // powers of ten
};

std::string known_table(const AnomalyReport& report) {
  HtmlTable table;
  table.css_class = "fit";
  table.first_number = 3;
  table.head = {"Known anomaly, from", "To", "", "Largest error"};
  for (const KnownAnomaly& k : report.known)
    table.rows.push_back({time_text(k.times.from), time_text(k.times.to), k.found ? "found" : "missed", format_number(k.peak)});
  return render_table(table);
}

std::string alarm_table(const AnomalyReport& report) {
  HtmlTable table;
  table.css_class = "tall fit";
  const bool timed = !report.times.empty();
  table.first_number = report.known.empty() ? 2 : 3;
  table.head = {timed ? "Alarm, from" : "Alarm, from sample", "To"};
  if (!report.known.empty()) table.head.push_back("");
  table.head.push_back("Largest error");
  for (size_t i = 0; i < std::min(report.alarms.size(), kMaxListedAlarms); ++i) {
    const Alarm& a = report.alarms[i];
    std::vector<std::string> row = {timed ? time_text(a.times->from) : format_count(a.first),
                                    timed ? time_text(a.times->to) : format_count(a.last)};
    if (!report.known.empty()) row.push_back(a.known ? "known" : "false");
    row.push_back(format_number(a.peak));
    table.rows.push_back(std::move(row));
  }
  const std::string rest = report.alarms.size() > kMaxListedAlarms
                               ? fmt::format("<p class=\"note\">The first {} of {}.</p>\n", kMaxListedAlarms, report.alarms.size())
                               : "";
  return render_table(table) + rest;
}

}  // namespace

std::string render_anomalies(const AnomalyReport& report) {
  std::string out = "<section id=\"anomalies\"><h2>Anomalies</h2>\n";
  out += fmt::format("<p>{} of {} {} of <b>{}</b> are above the threshold of {}, {} {}.", format_count(report.flagged),
                     format_count(static_cast<int64_t>(report.errors.size())), report.times.empty() ? "samples" : "windows",
                     escape_html(report.data_name), format_number(report.threshold),
                     format_count(static_cast<int64_t>(report.alarms.size())), report.alarms.size() == 1 ? "alarm" : "alarms");
  if (!report.known.empty()) {
    const auto found = std::count_if(report.known.begin(), report.known.end(), [](const KnownAnomaly& k) { return k.found; });
    out += fmt::format(" {} of {} known anomalies are found. {} false {} in {:.1f} normal days", found, report.known.size(),
                       report.false_alarms(), report.false_alarms() == 1 ? "alarm" : "alarms", report.normal_days);
    out += report.normal_days > 0 ? fmt::format(": {:.2f} a month.", report.false_alarms_per_month()) : ".";
  }
  out += "</p>\n" + ErrorCurve(report).render();
  if (!report.known.empty()) out += "<p class=\"note\">Known anomalies are shaded.</p>\n<h3>Known anomalies</h3>\n" + known_table(report);
  if (!report.alarms.empty()) out += "<h3>Alarms</h3>\n" + alarm_table(report);
  return out + "</section>\n";
}

}  // namespace dl
