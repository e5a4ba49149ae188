#include "train/svg_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "train/html.h"

namespace dl {
namespace {

// In SVG units; the picture scales to the width of its column, about one unit per pixel.
constexpr double kWidth = 460, kHeight = 230, kRight = 12, kTop = 10, kBottom = 26;
constexpr size_t kMaxPointsWithTitle = 250;  // more would weigh more than they tell
constexpr size_t kMaxLinePoints = 800;       // beyond the pixels there are

// Beyond 1e150 (and on a log axis below 1e-150) the axis arithmetic itself would overflow.
bool drawable(double value) { return std::isfinite(value) && std::fabs(value) < 1e150; }

struct Axis {
  double low = 0, high = 1;
  bool log = false;
  std::vector<double> ticks;
  double step = 1;  // between linear ticks

  double position(double value) const {  // 0 = low, 1 = high
    return log ? (std::log10(value) - std::log10(low)) / (std::log10(high) - std::log10(low)) : (value - low) / (high - low);
  }
  double y(double value) const { return kHeight - kBottom - position(value) * (kHeight - kTop - kBottom); }
};

Axis log_axis(double low, double high) {
  Axis axis;
  axis.log = true;
  const double pad = (std::log10(high) - std::log10(low)) * 0.04;
  axis.low = std::pow(10, std::log10(low) - pad);
  axis.high = std::pow(10, std::log10(high) + pad);
  const int first = static_cast<int>(std::ceil(std::log10(axis.low))), last = static_cast<int>(std::floor(std::log10(axis.high)));
  const int stride = std::max(1, (last - first + 5) / 6);
  for (int power = first; power <= last; power += stride) axis.ticks.push_back(std::pow(10, power));
  return axis;
}

Axis linear_axis(double low, double high, bool from_zero, bool share) {
  Axis axis;
  const double spread = high - low;
  const double pad = spread > 0 ? spread * 0.06 : std::max(std::fabs(high) * 0.1, 1e-12);
  axis.low = from_zero ? 0 : low - pad;
  axis.high = high + pad;
  // An accuracy axis ends at 1, a loss axis does not go below 0.
  if (low >= 0) axis.low = std::max(axis.low, 0.0);
  if (share) axis.high = std::min(axis.high, 1.0 + spread * 0.02);
  if (!(axis.high > axis.low)) axis.high = axis.low + 1;
  axis.ticks = nice_ticks(axis.low, axis.high, 5);
  // A constant is labelled with itself, not with a frame of its neighbours.
  if (spread == 0 && !from_zero && high != 0) axis.ticks = {high};
  if (axis.ticks.size() > 1) axis.step = axis.ticks[1] - axis.ticks[0];
  return axis;
}

Axis choose_axis(const LineChart& chart) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const ChartSeries& series : chart.series) {
    for (const std::optional<double>& value : series.values) {
      if (!value || !drawable(*value)) continue;
      low = std::min(low, *value);
      high = std::max(high, *value);
    }
  }
  if (low > high) return linear_axis(0, 1, true, false);
  if (chart.allow_log && low > 1e-150 && high / low >= 100) return log_axis(low, high);
  return linear_axis(low, high, chart.from_zero, low >= 0 && high <= 1 && high > 0.3);
}

struct Point {
  double x, y;
};

std::string coordinates(const std::vector<Point>& points) {
  std::string out;
  for (const Point& p : points) out += fmt::format("{}{:.1f},{:.1f}", out.empty() ? "" : " ", p.x, p.y);
  return out;
}

// Lowest and highest point of each of kMaxLinePoints/2 parts, so that no peak is lost.
std::vector<Point> thin_out(const std::vector<Point>& points) {
  if (points.size() <= kMaxLinePoints) return points;
  std::vector<Point> kept;
  const size_t parts = kMaxLinePoints / 2;
  for (size_t part = 0; part < parts; ++part) {
    const auto begin = points.begin() + static_cast<std::ptrdiff_t>(part * points.size() / parts);
    const auto end = points.begin() + static_cast<std::ptrdiff_t>((part + 1) * points.size() / parts);
    auto [low, high] = std::minmax_element(begin, end, [](const Point& a, const Point& b) { return a.y < b.y; });
    if (high < low) std::swap(low, high);
    kept.push_back(*low);
    if (high != low) kept.push_back(*high);
  }
  return kept;
}

class Drawing {
 public:
  explicit Drawing(const LineChart& chart) : chart_(chart), axis_(choose_axis(chart)) {
    size_t longest = 3;
    for (const double tick : axis_.ticks) longest = std::max(longest, label_of(tick).size());
    left_ = 12 + 8 * static_cast<double>(longest);
  }

  std::string render() {
    // The axes' labels lie below the lines, the points with their titles on top.
    std::string body = grid();
    for (const ChartSeries& series : chart_.series) body += lines(series);
    for (const ChartSeries& series : chart_.series) body += marks(series);
    return fmt::format(
        "<figure class=\"chart\"><figcaption><b>{}</b>{}{}</figcaption>"
        "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{} over epochs\">{}</svg></figure>\n",
        escape_html(chart_.title), axis_.log ? "<span class=\"note\">log scale</span>" : "", legend(), kWidth, kHeight,
        escape_html(chart_.title), body);
  }

 private:
  double x_of(int64_t x) const {
    const int64_t first = chart_.x.front(), last = chart_.x.back();
    const double share = first == last ? 0.5 : static_cast<double>(x - first) / static_cast<double>(last - first);
    // Room for the first and last dot beside the frame.
    return left_ + 8 + share * (kWidth - left_ - kRight - 16);
  }

  std::string label_of(double tick) const {
    return (axis_.log || axis_.ticks.size() == 1 ? fmt::format("{:.4g}", tick)
                                                 : tick_label(tick, axis_.step, std::max(std::fabs(axis_.low), std::fabs(axis_.high)))) +
           chart_.unit;
  }

  std::string number(double value) const {
    return chart_.unit.empty() ? format_number(value) : fmt::format("{:.1f}{}", value, chart_.unit);
  }

  std::string grid() const {
    std::string out;
    const double right = kWidth - kRight, foot = kHeight - kBottom;
    for (const double tick : axis_.ticks) {
      const double y = axis_.y(tick);
      out += fmt::format("<path class=\"grid\" d=\"M{:g} {:.1f}H{:g}\"/><text x=\"{:g}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>", left_,
                         y, right, left_ - 6, y + 4, label_of(tick));
    }
    out += fmt::format("<path class=\"axis\" d=\"M{:g} {:g}H{:g}\"/>", left_, foot, right);
    for (const int64_t x : x_ticks()) {
      out += fmt::format("<path class=\"axis\" d=\"M{:.1f} {:g}v4\"/><text x=\"{:.1f}\" y=\"{:g}\" text-anchor=\"middle\">{}</text>",
                         x_of(x), foot, x_of(x), kHeight - 8, x);
    }
    if (chart_.marked_x && *chart_.marked_x >= chart_.x.front() && *chart_.marked_x <= chart_.x.back()) {
      const double x = x_of(*chart_.marked_x);
      out +=
          fmt::format("<path class=\"best\" d=\"M{:.1f} {:g}V{:g}\"><title>best epoch: {}</title></path>", x, kTop, foot, *chart_.marked_x);
    }
    return out;
  }

  std::vector<int64_t> x_ticks() const {
    const int64_t first = chart_.x.front(), last = chart_.x.back();
    std::vector<int64_t> ticks;
    if (last - first < 8) {
      for (int64_t x = first; x <= last; ++x) ticks.push_back(x);
      return ticks;
    }
    for (const double tick : nice_ticks(static_cast<double>(first), static_cast<double>(last), 6)) {
      if (tick == std::floor(tick)) ticks.push_back(static_cast<int64_t>(tick));
    }
    // People look for the first epoch; its label must not touch the next one.
    if (ticks.empty() || x_of(ticks.front()) - x_of(first) > 24) ticks.insert(ticks.begin(), first);
    return ticks;
  }

  std::string lines(const ChartSeries& series) const {
    std::string out;
    std::vector<Point> run;
    const auto finish = [&] {
      if (run.size() > 1) out += fmt::format("<polyline class=\"{}\" points=\"{}\"/>", series.css_class, coordinates(thin_out(run)));
      run.clear();
    };
    for (size_t i = 0; i < series.values.size(); ++i) {
      const std::optional<double>& value = series.values[i];
      if (!value) continue;
      if (drawable(*value)) {
        run.push_back({x_of(chart_.x[i]), axis_.y(*value)});
      } else {
        finish();
      }
    }
    finish();
    return out;
  }

  std::string marks(const ChartSeries& series) const {
    std::string out;
    const bool titles = series.values.size() <= kMaxPointsWithTitle;
    const bool dots = series.values.size() <= 40;
    double last_cross = -10;
    for (size_t i = 0; i < series.values.size(); ++i) {
      const std::optional<double>& value = series.values[i];
      if (!value) continue;
      const double x = x_of(chart_.x[i]);
      const std::string title = fmt::format("<title>epoch {}, {}: {}</title>", chart_.x[i], escape_html(series.name), number(*value));
      if (!drawable(*value)) {
        if (x - last_cross < 9) continue;
        last_cross = x;
        out += fmt::format("<path class=\"bad\" d=\"M{:.1f} {:.1f}l7 7m0 -7l-7 7\">{}</path>", x - 3.5, kHeight - kBottom - 10, title);
      } else if (titles || lonely(series, i)) {
        const bool visible = dots || lonely(series, i);
        out += fmt::format("<circle class=\"{}{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\">{}</circle>", series.css_class,
                           visible ? "" : " hidden", x, axis_.y(*value), visible ? "2.6" : "5", title);
      }
    }
    return out;
  }

  // A value between two breaks has no line to be seen on.
  static bool lonely(const ChartSeries& series, size_t i) {
    const auto joined = [&](auto begin, auto end) {
      const auto neighbour = std::find_if(begin, end, [](const std::optional<double>& value) { return value.has_value(); });
      return neighbour != end && drawable(**neighbour);
    };
    const auto& values = series.values;
    const auto at = static_cast<std::ptrdiff_t>(i);
    return !joined(values.begin() + at + 1, values.end()) && !joined(values.rend() - at, values.rend());
  }

  std::string legend() const {
    std::string out;
    bool broken = false;
    for (const ChartSeries& series : chart_.series) {
      const auto last = std::find_if(series.values.rbegin(), series.values.rend(), [](const auto& value) { return value.has_value(); });
      if (last == series.values.rend()) continue;
      out += fmt::format("<span class=\"key {}\">{} <b>{}</b></span>", series.css_class, escape_html(series.name), number(**last));
      broken =
          broken || std::any_of(series.values.begin(), series.values.end(), [](const auto& value) { return value && !drawable(*value); });
    }
    if (broken) out += "<span class=\"key bad\">not a finite number</span>";
    return out;
  }

  const LineChart& chart_;
  Axis axis_;
  double left_ = 0;  // room for the labels
};

}  // namespace

std::vector<double> nice_ticks(double low, double high, int count) {
  std::vector<double> ticks;
  if (!(low < high) || count < 1) return ticks;
  const double raw = (high - low) / count;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  const double factor = raw / power;
  const double step = power * (factor < 1.41 ? 1 : factor < 3.16 ? 2 : factor < 7.07 ? 5 : 10);
  const double first = std::ceil(low / step - 1e-9);
  for (int i = 0; i <= 2 * count + 2; ++i) {
    const double tick = (first + i) * step;
    if (tick > high + step * 1e-9) break;
    if (!ticks.empty() && tick == ticks.back()) break;  // the step is below the precision of the numbers
    ticks.push_back(tick);
  }
  return ticks;
}

std::string tick_label(double value, double step, double largest) {
  if (value == 0 || std::fabs(value) < step * 1e-6) return "0";
  const double size = std::fabs(value);
  if (largest >= 1e6 || size < 1e-4) return fmt::format("{:.3g}", value);
  if (largest >= 1e4 && step >= 100) return fmt::format("{:g}k", value / 1e3);
  const int decimals = std::clamp(-static_cast<int>(std::floor(std::log10(step) + 1e-9)), 0, 6);
  return fmt::format("{:.{}f}", value, decimals);
}

std::string render_chart(const LineChart& chart) { return chart.x.empty() ? "" : Drawing(chart).render(); }

}  // namespace dl
