#include "table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"
#include "base/terminal.h"

namespace dl::app {
namespace {

constexpr const char* kGap = "  ";

std::string scaled(double value, double base, std::span<const char* const> units) {
  if (!std::isfinite(value)) return "?";
  size_t u = 0;
  while (u + 1 < units.size() && std::abs(value) >= base * 0.9995) {
    value /= base;
    ++u;
  }
  if (u == 0) return fmt::format("{:.0f}{}", value, units[0]);
  return fmt::format("{:.{}f}{}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, units[u]);
}

}  // namespace

void TextTable::add(std::vector<std::string> cells) {
  DL_CHECK(cells.size() == columns_.size(), "one cell per column");
  for (std::string& cell : cells) cell = safe_for_terminal(cell);
  rows_.push_back(std::move(cells));
}

std::string TextTable::text() const {
  std::vector<int> widths;
  for (size_t c = 0; c < columns_.size(); ++c) {
    int width = display_width(columns_[c].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[c]));
    widths.push_back(width);
  }
  std::string text;
  const auto add_line = [&](auto cell_of) {
    std::string line;
    for (size_t c = 0; c < columns_.size(); ++c) {
      const std::string& cell = cell_of(c);
      const std::string padding(static_cast<size_t>(std::max(0, widths[c] - display_width(cell))), ' ');
      if (c) line += kGap;
      line += columns_[c].align == Align::kRight ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add_line([&](size_t c) -> const std::string& { return columns_[c].title; });
  size_t rule = 0;
  for (const int w : widths) rule += static_cast<size_t>(w) + (rule ? 2 : 0);
  text += std::string(rule, '-') + "\n";
  for (const auto& row : rows_) add_line([&](size_t c) -> const std::string& { return row[c]; });
  return text;
}

std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

std::string bytes_text(double bytes) {
  static constexpr const char* kUnits[] = {" B", " KiB", " MiB", " GiB", " TiB"};
  return scaled(bytes, 1024, kUnits);
}

std::string count_text(double number) {
  static constexpr const char* kUnits[] = {"", " k", " M", " G", " T"};
  return scaled(number, 1000, kUnits);
}

std::string seconds_text(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  if (seconds < 1e-6) return fmt::format("{:.0f} ns", seconds * 1e9);
  if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.2f} s", seconds);
}

}  // namespace dl::app
