// What was built, and with what.
#pragma once

#include <string>

namespace dl::app {

std::string short_version();          // "0.1.0"
std::string version_id();             // "0.1.0 (1a2b3c4d5e)"
std::string version_text(bool json);  // what --version prints, with the final newline

}  // namespace dl::app
