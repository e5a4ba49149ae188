// What was built, and with what.
#pragma once

#include <string>

namespace dl::app {

std::string short_version();  // "0.1.0"
std::string version_id();     // "0.1.0 (1a2b3c4d5e)"
// oneDNN reads its cap from the environment at its first use: lets it follow active_isa(). Call before any backend is made.
void cap_onednn_isa();
std::string version_text(bool json);  // what --version prints, with the final newline

}  // namespace dl::app
