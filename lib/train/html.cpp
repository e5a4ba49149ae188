#include "train/html.h"

#include <fmt/format.h>

#include <cmath>

#include "base/utf8.h"

namespace dl {

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const CodePoint point = decode_utf8(text);
    const bool control = (point.value < 0x20 && point.value != '\n' && point.value != '\t') ||
                         (point.value >= 0x7F && point.value < 0xA0) || (point.value >= 0x202A && point.value <= 0x202E) ||
                         (point.value >= 0x2066 && point.value <= 0x2069);
    switch (point.value) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        if (control || !point.valid) {
          out += "\uFFFD";
        } else {
          out += text.substr(0, static_cast<size_t>(point.size));
        }
    }
    text.remove_prefix(static_cast<size_t>(point.size));
  }
  return out;
}

std::string format_count(int64_t value) {
  std::string digits = fmt::format("{}", value);
  const size_t first = value < 0 ? 1 : 0;
  for (size_t i = digits.size(); i > first + 3;) digits.insert(i -= 3, ",");
  return digits;
}

std::string format_number(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "∞" : "−∞";
  const double size = std::fabs(value);
  if (value == 0) return "0";
  if (size < 1e-4 || size >= 1e7) return fmt::format("{:.3e}", value);
  if (size >= 1000) return (value < 0 ? "-" : "") + format_count(std::llround(size));
  if (size < 0.01) return fmt::format("{:.4g}", value);
  return fmt::format("{:.{}f}", value, size < 10 ? 4 : size < 100 ? 3 : 2);
}

std::string format_percent(double share) { return std::isnan(share) ? "–" : fmt::format("{:.1f} %", 100 * share); }

std::string render_table(const HtmlTable& table) {
  std::string out = fmt::format("<div class=\"box {}\"><table>", table.css_class);
  const auto cell_class = [&](size_t column) { return column >= table.first_number ? " class=\"n\"" : ""; };
  if (!table.head.empty()) {
    out += "<thead><tr>";
    for (size_t i = 0; i < table.head.size(); ++i) out += fmt::format("<th scope=\"col\"{}>{}</th>", cell_class(i), table.head[i]);
    out += "</tr></thead>\n";
  }
  const auto add_row = [&](const std::vector<std::string>& row) {
    out += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) {
      out +=
          i == 0 ? fmt::format("<th scope=\"row\"{}>{}</th>", cell_class(i), row[i]) : fmt::format("<td{}>{}</td>", cell_class(i), row[i]);
    }
    out += "</tr>\n";
  };
  out += "<tbody>";
  for (const auto& row : table.rows) add_row(row);
  out += "</tbody>";
  if (!table.foot.empty()) {
    out += "<tfoot>";
    add_row(table.foot);
    out += "</tfoot>";
  }
  return out + "</table></div>\n";
}

}  // namespace dl
