// What tests ask of texts.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <string_view>

// Says what the text is when it lacks the part.
inline bool has(std::string_view text, std::string_view part) {
  const bool found = text.find(part) != std::string_view::npos;
  if (!found) MESSAGE(std::string(text) << "\nlacks " << std::string(part));
  return found;
}

inline std::string repeat(std::string_view part, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += part;
  return out;
}
