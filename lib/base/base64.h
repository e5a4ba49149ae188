// Base64 (RFC 4648, with padding): bytes inside text files.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace dl {

std::string to_base64(const void* data, size_t bytes);
std::optional<std::string> from_base64(std::string_view text);  // nullopt: not base64

}  // namespace dl
