#include "train/history.h"

#include <algorithm>

namespace dl {

std::optional<double> find_log(const Logs& logs, std::string_view name) {
  for (const auto& [key, value] : logs) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::vector<std::string> History::names() const {
  std::vector<std::string> result;
  for (const EpochRecord& record : epochs) {
    for (const auto& [name, value] : record.logs) {
      if (std::find(result.begin(), result.end(), name) == result.end()) result.push_back(name);
    }
  }
  return result;
}

std::vector<std::optional<double>> History::series(std::string_view name) const {
  std::vector<std::optional<double>> result;
  result.reserve(epochs.size());
  for (const EpochRecord& record : epochs) result.push_back(find_log(record.logs, name));
  return result;
}

}  // namespace dl
