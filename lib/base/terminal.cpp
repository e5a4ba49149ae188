#include "base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "base/utf8.h"

namespace dl {
namespace {

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::string_view(value) : std::string_view();
}

struct Range {
  uint32_t first, last;
};
// Unicode 15 East Asian Width W and F, coarsely: the blocks that are wide throughout, and the emoji.
constexpr Range kWide[] = {{0x1100, 0x115F}, {0x2E80, 0x303E},   {0x3041, 0x33FF},   {0x3400, 0x4DBF},  {0x4E00, 0x9FFF},
                           {0xA000, 0xA4CF}, {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},  {0xFF00, 0xFF60},
                           {0xFFE0, 0xFFE6}, {0x1F300, 0x1F64F}, {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD}};
constexpr Range kZeroWidth[] = {{0x0300, 0x036F}, {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x2064},
                                {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}};

template <size_t N>
bool in(const Range (&ranges)[N], uint32_t value) {
  return std::any_of(std::begin(ranges), std::end(ranges), [&](const Range& r) { return value >= r.first && value <= r.last; });
}

int columns_of(uint32_t value) { return in(kZeroWidth, value) ? 0 : in(kWide, value) ? 2 : 1; }

}  // namespace

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

int terminal_width(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const std::string_view columns = environment("COLUMNS");
  int width = 0;
  const auto [end, error] = std::from_chars(columns.data(), columns.data() + columns.size(), width);
  return error == std::errc() && end == columns.data() + columns.size() && width > 0 ? width : 80;
}

bool can_redraw(int fd) { return is_terminal(fd) && environment("TERM") != "dumb"; }

bool wants_color(int fd) {
  if (!environment("NO_COLOR").empty()) return false;
  for (const char* name : {"FORCE_COLOR", "CLICOLOR_FORCE"}) {
    const std::string_view value = environment(name);
    if (!value.empty() && value != "0") return true;
  }
  return can_redraw(fd);
}

bool has_utf8_locale() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string value(environment(name));
    if (value.empty()) continue;
    std::transform(value.begin(), value.end(), value.begin(),
                   [](unsigned char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : char(c); });
    return value.find("utf-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

int display_width(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    if (text.starts_with("\x1b[")) {
      const size_t end = text.find_first_not_of("0123456789;", 2);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      continue;
    }
    const CodePoint point = decode_utf8(text);
    width += columns_of(point.value);
    text.remove_prefix(static_cast<size_t>(point.size));
  }
  return width;
}

std::string fit_to_width(std::string_view text, int columns, bool utf8) {
  if (columns <= 0) return "";
  if (display_width(text) <= columns) return std::string(text);
  size_t bytes = 0;
  int width = 0;
  while (bytes < text.size()) {
    const CodePoint point = decode_utf8(text.substr(bytes));
    if (width + columns_of(point.value) > columns - 1) break;
    width += columns_of(point.value);
    bytes += static_cast<size_t>(point.size);
  }
  return std::string(text.substr(0, bytes)) + (utf8 ? "…" : "~");
}

std::string safe_for_terminal(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = decode_utf8(text);
    // C0, DEL, C1 and the bidirectional controls.
    const bool control = point.value < 0x20 || (point.value >= 0x7F && point.value < 0xA0) ||
                         (point.value >= 0x202A && point.value <= 0x202E) || (point.value >= 0x2066 && point.value <= 0x2069);
    if (point.valid && !control) {
      result.append(text.substr(0, static_cast<size_t>(point.size)));
    } else {
      result.push_back('?');
    }
    text.remove_prefix(static_cast<size_t>(point.size));
  }
  return result;
}

}  // namespace dl
