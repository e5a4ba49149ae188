#include "base/error.h"

namespace dl {

void fail_check(const char* condition, const char* file, int line, const std::string& message) {
  std::string_view path(file);
  if (auto pos = path.rfind("lib/"); pos != std::string_view::npos) path.remove_prefix(pos);
  throw InternalError(std::string(path) + ":" + std::to_string(line) + ": " + message + " (check failed: " + condition + ")");
}

}  // namespace dl
