#include "base/utf8.h"

#include <fmt/format.h>

namespace dl {

std::string printable(std::string_view text) {
  std::string line;
  while (!text.empty()) {
    const CodePoint c = decode_utf8(text);
    const size_t size = c.valid ? static_cast<size_t>(c.size) : 1;
    if (c.valid && c.value == '\n')
      line += "\\n";
    else if (!c.valid || c.value < 0x20 || c.value == 0x7f)
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    else
      line += text.substr(0, size);
    text.remove_prefix(size);
  }
  return line;
}

}  // namespace dl
