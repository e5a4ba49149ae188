#include "train/svg_chart.h"

#include <doctest/doctest.h>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "train/html.h"

using namespace dl;

namespace {

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

// Points of the polylines, in order.
std::vector<std::vector<std::pair<double, double>>> polylines(const std::string& svg) {
  std::vector<std::vector<std::pair<double, double>>> lines;
  for (size_t at = svg.find("<polyline"); at != std::string::npos; at = svg.find("<polyline", at + 1)) {
    const size_t begin = svg.find("points=\"", at) + 8;
    std::istringstream points(svg.substr(begin, svg.find('"', begin) - begin));
    lines.emplace_back();
    double x = 0, y = 0;
    char comma = 0;
    while (points >> x >> comma >> y) lines.back().emplace_back(x, y);
    CHECK(points.eof());
  }
  return lines;
}

// Values of the attributes that place something: a stray nan or inf there hides it.
std::vector<std::string> coordinate_attributes(const std::string& svg) {
  std::vector<std::string> values;
  for (const char* name : {" points=\"", " d=\"", " cx=\"", " cy=\"", " x=\"", " y=\""}) {
    for (size_t at = svg.find(name); at != std::string::npos; at = svg.find(name, at + 1)) {
      const size_t begin = svg.find('"', at) + 1;
      values.push_back(svg.substr(begin, svg.find('"', begin) - begin));
    }
  }
  return values;
}

LineChart chart_of(std::vector<std::optional<double>> values) {
  LineChart chart;
  chart.title = "loss";
  for (size_t i = 0; i < values.size(); ++i) chart.x.push_back(static_cast<int64_t>(i) + 1);
  chart.series = {{"training", "train", std::move(values)}};
  return chart;
}

}  // namespace

TEST_CASE("ticks lie at round numbers within the range") {
  CHECK(nice_ticks(0, 1, 5) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
  CHECK(nice_ticks(1, 200, 6) == std::vector<double>{50, 100, 150, 200});
  CHECK(nice_ticks(-0.3, 0.3, 3) == std::vector<double>{-0.2, 0, 0.2});
  CHECK(nice_ticks(1, 1, 5).empty());
  CHECK(nice_ticks(1, std::nextafter(1, 2), 5).size() <= 6);
  CHECK(tick_label(0.6000000000000001, 0.2, 1) == "0.6");
  CHECK(tick_label(1e-17, 0.2, 1) == "0");
  CHECK(tick_label(8000, 2000, 14000) == "8k");
  CHECK(tick_label(2e6, 1e6, 5e6) == "2e+06");
}

TEST_CASE("a line is drawn to scale: lower values lie lower, steps are even") {
  const auto lines = polylines(render_chart(chart_of({1, 0.5, 0})));
  REQUIRE(lines.size() == 1);
  const auto& line = lines[0];
  REQUIRE(line.size() == 3);
  CHECK(line[1].first - line[0].first == doctest::Approx(line[2].first - line[1].first).epsilon(0.001));
  CHECK(line[1].second - line[0].second == doctest::Approx(line[2].second - line[1].second).epsilon(0.002));
  CHECK(line[2].second > line[0].second + 100);
}

TEST_CASE("a wide range of losses gets a log axis, even in decades") {
  LineChart chart = chart_of({100, 10, 1, 0.1});
  CHECK(render_chart(chart).find("log scale") == std::string::npos);
  chart.allow_log = true;
  const std::string svg = render_chart(chart);
  CHECK(svg.find("log scale") != std::string::npos);
  const auto line = polylines(svg)[0];
  CHECK(line[1].second - line[0].second == doctest::Approx(line[3].second - line[2].second).epsilon(0.01));
  chart.series[0].values[1] = 0;
  CHECK(render_chart(chart).find("log scale") == std::string::npos);
}

TEST_CASE("NaN breaks the line and is marked; a missing value does not break it") {
  const std::string svg = render_chart(chart_of({1, 2, NAN, 4, 5, std::nullopt, 7}));
  const auto lines = polylines(svg);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].size() == 2);
  CHECK(lines[1].size() == 3);
  CHECK(count(svg, "path class=\"bad\"") == 1);
  CHECK(svg.find("epoch 3, training: nan") != std::string::npos);
  CHECK(svg.find("not a finite number") != std::string::npos);
  CHECK(svg.find("training <b>7.0000</b>") != std::string::npos);
}

TEST_CASE("lonely values show as dots, in short and in long runs") {
  CHECK(count(render_chart(chart_of({0.5})), "<circle class=\"train\"") == 1);
  std::vector<std::optional<double>> values(300, NAN);
  values[100] = 1.0;
  values[200] = 2.0;
  values[201] = 3.0;
  const std::string svg = render_chart(chart_of(values));
  CHECK(count(svg, "<circle class=\"train\"") == 1);
  CHECK(polylines(svg).size() == 1);
}

TEST_CASE("nothing is drawn outside of the frame or as nan, whatever the numbers") {
  const std::vector<std::vector<std::optional<double>>> cases = {{NAN, NAN},
                                                                 {0, 0},
                                                                 {5, 5},
                                                                 {-1e-300, 1e-300},
                                                                 {1e308, -1e308},
                                                                 {1e149, -1e149},
                                                                 {INFINITY, 1, -INFINITY},
                                                                 {std::nullopt},
                                                                 {1e-320, 1},
                                                                 {1, 1 + 1e-15},
                                                                 {3e-39, 5e120},
                                                                 {}};
  for (size_t i = 0; i < cases.size(); ++i) {
    for (const bool log : {false, true}) {
      CAPTURE(i);
      LineChart chart = chart_of(cases[i]);
      chart.allow_log = log;
      const std::string svg = render_chart(chart);
      for (const auto& line : polylines(svg)) {
        for (const auto& [x, y] : line) CHECK((x >= 0 && x <= 460 && y >= 0 && y <= 230));
      }
      for (const std::string& value : coordinate_attributes(svg)) CHECK(value.find_first_of("naif") == std::string::npos);
    }
  }
  CHECK(render_chart(chart_of({})).empty());
}

TEST_CASE("long runs are thinned without losing a peak") {
  std::vector<std::optional<double>> values(20000, 1.0);
  values[7777] = 50.0;
  const auto line = polylines(render_chart(chart_of(values)))[0];
  CHECK(line.size() <= 800);
  double top = 1000;
  for (const auto& [x, y] : line) top = std::min(top, y);
  CHECK(top < 30);
}

TEST_CASE("numbers for tables") {
  CHECK(format_count(0) == "0");
  CHECK(format_count(999) == "999");
  CHECK(format_count(1199882) == "1,199,882");
  CHECK(format_count(-123456) == "-123,456");
  CHECK(format_number(0.99214) == "0.9921");
  CHECK(format_number(0.001) == "0.001");
  CHECK(format_number(-13911.4) == "-13,911");
  CHECK(format_number(3.5e-8) == "3.500e-08");
  CHECK(format_number(NAN) == "nan");
  CHECK(format_percent(0.9731) == "97.3 %");
  CHECK(format_percent(NAN) == "–");
}
