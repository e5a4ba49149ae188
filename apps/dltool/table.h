// Plain columns for people: inspect, eval and bench print them. Cells may hold any text; widths count terminal columns.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dl::app {

enum class Align { kLeft, kRight };

class TextTable {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells);  // one per column; control characters are replaced
  std::string text() const;                  // title line, a rule, rows; no space at line ends

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

std::string grouped(int64_t number);       // "1,234,567"
std::string bytes_text(double bytes);      // "12.3 KiB"
std::string count_text(double number);     // "12.3 M", for FLOPs and rates
std::string seconds_text(double seconds);  // "12.3 us"

}  // namespace dl::app
