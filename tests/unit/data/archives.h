// Tar archives for tests, written field by field.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

namespace dl::test {

// A header block of ustar: `type` '0' regular, '5' folder, '2' link, 'x' attributes of the next member, 'L' its long name.
inline std::string tar_header(const std::string& name, size_t size, char type = '0') {
  std::string h(512, '\0');
  const auto put = [&](size_t at, const std::string& text) { h.replace(at, text.size(), text); };
  put(0, name.substr(0, 100));
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, fmt::format("{:011o}", size));
  put(136, "00000000000");
  h[156] = type;
  put(257, std::string("ustar\00000", 8));
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : h) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return h;
}

inline std::string tar_member(const std::string& name, const std::string& bytes, char type = '0') {
  return tar_header(name, bytes.size(), type) + bytes + std::string((512 - bytes.size() % 512) % 512, '\0');
}

inline std::string tar_of(const std::vector<std::pair<std::string, std::string>>& members) {
  std::string tar;
  for (const auto& [name, bytes] : members) tar += tar_member(name, bytes);
  return tar + std::string(1024, '\0');
}

}  // namespace dl::test
