// Reading UTF-8 one code point at a time. Who uses it: terminal, log, report, names of files. Never reads beyond the view.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dl {

struct CodePoint {
  uint32_t value = 0;  // U+FFFD where the bytes are not valid UTF-8
  int size = 1;        // bytes taken, at least 1
  bool valid = false;
};

// The code point at the start of `text`, which must not be empty. Overlong forms, surrogates and values above U+10FFFF are invalid.
inline CodePoint decode_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const uint32_t first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const int size = first >= 0xF5 ? 0 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
  if (size == 0 || text.size() < static_cast<size_t>(size)) return {0xFFFD, 1, false};
  uint32_t value = first & (0x7Fu >> size);
  for (int i = 1; i < size; ++i) {
    if ((byte(static_cast<size_t>(i)) & 0xC0) != 0x80) return {0xFFFD, 1, false};
    value = (value << 6) | (byte(static_cast<size_t>(i)) & 0x3F);
  }
  const bool overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
  if (overlong || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {0xFFFD, 1, false};
  return {value, size, true};
}

// `text` as one printable line: control characters and bytes that are not UTF-8 appear as \n, \x1b, ...
std::string printable(std::string_view text);

}  // namespace dl
