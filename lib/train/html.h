// Small pieces of HTML for the run report: escaping and numbers. Who uses it: report, svg_chart, class_report.
// Everything a user or a file can name goes through escape_html, in text and in attributes alike.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace dl {

// & < > " ' as entities; control characters (but newline and tab), invalid UTF-8 and bidirectional controls as U+FFFD.
std::string escape_html(std::string_view text);

// "1,199,882"
std::string format_count(int64_t value);
// About four digits for a table: "0.9912", "12.35", "1.234e-05", "nan".
std::string format_number(double value);
// "97.3 %"; "–" for NaN.
std::string format_percent(double share);

// A table in a box that scrolls sideways on narrow screens. Cells are HTML (escape them first); columns from `first_number` on are
// right-aligned. `css_class` goes on the box.
struct HtmlTable {
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> foot;
  size_t first_number = 1;
  std::string css_class = {};
};
std::string render_table(const HtmlTable& table);

}  // namespace dl
