#include "spec/text_check.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace dl::spec {
namespace {

// Bytes of the UTF-8 sequence at `text[i]`; 0 when it is not valid (RFC 3629: no overlong forms, no surrogates).
size_t utf8_length(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) { return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u; };
  const auto follows = [&](size_t k) { return (byte(k) & 0xC0u) == 0x80u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!follows(1) || !follows(2)) return 0;
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;
    if (lead == 0xED && byte(1) > 0x9F) return 0;
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

bool starts_with_utf16(std::string_view text) {
  if (text.size() < 2) return false;
  if (text.substr(0, 2) == "\xFF\xFE" || text.substr(0, 2) == "\xFE\xFF") return true;
  return (text[0] == '\0') != (text[1] == '\0');  // the ASCII character every YAML file begins with
}

[[noreturn]] void fail(const CleanText& clean, size_t offset, const std::string& message) {
  throw UserError(to_string(clean.place_at(offset)) + ": " + message);
}

void check_character(const CleanText& clean, std::string_view text, size_t i, size_t length) {
  const auto c = static_cast<unsigned char>(text[i]);
  if (length == 0) {
    fail(clean, clean.text.size(),
         fmt::format("byte 0x{:02x} is not UTF-8: the file is binary or in an older encoding; save it as UTF-8", c));
  }
  if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) {
    fail(clean, clean.text.size(),
         fmt::format("{} (0x{:02x}): the file is binary; a specification is YAML text in UTF-8", c == 0 ? "NUL byte" : "control character",
                     c));
  }
}

}  // namespace

Place CleanText::place_at(size_t offset) const {
  offset = std::min(offset, text.size());
  const auto next = std::upper_bound(line_starts.begin(), line_starts.end(), offset);
  const size_t line_start = *(next - 1);
  // Tokens come in order, so counting goes on from the last one: a long line costs no square of its length.
  if (counted_offset_ > offset || counted_offset_ < line_start) {
    counted_offset_ = line_start;
    counted_column_ = 1;
  }
  for (; counted_offset_ < offset; ++counted_offset_)
    counted_column_ += (static_cast<unsigned char>(text[counted_offset_]) & 0xC0u) != 0x80u;
  return {file, static_cast<int>(next - line_starts.begin()), counted_column_};
}

std::string_view CleanText::line(size_t index) const {
  if (index >= line_starts.size()) return {};
  const size_t begin = line_starts[index];
  const size_t end = std::min(text.find('\n', begin), text.size());
  return std::string_view(text).substr(begin, end - begin);
}

CleanText clean_text(std::string_view text, const std::string& file) {
  if (static_cast<int64_t>(text.size()) > kMaxFileBytes) {
    throw UserError(fmt::format("{}: {} bytes are too many for a specification; at most {} are allowed", file, text.size(), kMaxFileBytes));
  }
  CleanText clean;
  clean.file = file;
  if (starts_with_utf16(text)) throw UserError(file + ":1:1: the file is UTF-16 or UTF-32 text; save it as UTF-8");
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  clean.text.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    check_character(clean, text, i, length);
    if (text[i] == '\r' || text[i] == '\n') {
      i += text.substr(i, 2) == "\r\n" ? 2 : 1;
      clean.text += '\n';
      clean.line_starts.push_back(clean.text.size());
    } else {
      clean.text.append(text.substr(i, length));
      i += length;
    }
  }
  return clean;
}

void check_structure(const CleanText& clean) {
  // Brackets inside strings and comments count too, hence limits well above what kMaxDepth and kMaxNodes admit.
  constexpr int kMaxOpen = 8 * kMaxDepth;
  constexpr int64_t kMaxSeparators = 2 * kMaxNodes;
  int open = 0;
  int64_t separators = 0;
  for (size_t i = 0; i < clean.text.size(); ++i) {
    const char c = clean.text[i];
    if (c == '[' || c == '{') {
      if (++open > kMaxOpen) fail(clean, i, fmt::format("nested too deep; at most {} levels are allowed", kMaxDepth));
    } else if (c == ']' || c == '}') {
      open = std::max(0, open - 1);
    } else if (c == ',' || c == ':') {
      if (++separators > kMaxSeparators) fail(clean, i, fmt::format("too many values; at most {} are allowed", kMaxNodes));
    }
  }
}

}  // namespace dl::spec
