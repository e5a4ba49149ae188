// Line charts over epochs as inline SVG, with a legend in HTML that carries the last values. Who uses it: report.
// Readable without script: axes, legend and a <title> per point. Colours come from the page's style (classes train, validation, other).
// NaN and infinity break the line and are marked with a cross at the foot of the chart; missing values are bridged.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace dl {

struct ChartSeries {
  std::string name;       // "training"
  std::string css_class;  // train, validation or other
  std::vector<std::optional<double>> values;
};

struct LineChart {
  std::string title;
  std::vector<ChartSeries> series;  // all of one length
  std::vector<int64_t> x;           // epoch numbers as shown, ascending, one per value
  std::optional<int64_t> marked_x;  // the best epoch: a vertical line
  bool from_zero = false;           // the axis starts at 0
  bool allow_log = false;           // a log axis where the values span two decades or more
  std::string unit;                 // "%": after the numbers
};

// <figure class="chart">…</figure>
std::string render_chart(const LineChart& chart);

// Axis labels for [low, high], about `count` of them, at 1, 2 or 5 times a power of ten. Empty for low >= high.
std::vector<double> nice_ticks(double low, double high, int count);
// All labels of an axis whose largest value is `largest` are written alike.
std::string tick_label(double value, double step, double largest);

}  // namespace dl
