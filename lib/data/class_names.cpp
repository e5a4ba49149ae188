#include "data/class_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "data/file.h"
#include "data/number.h"

namespace dl {

std::string excerpt(std::string_view text) {
  return text.size() <= 40 ? printable(text) : fmt::format("{}...", printable(text.substr(0, 37)));
}

ClassNames::ClassNames(const ClassSpec& spec, const Field* trained) : names_(trained ? trained->classes : spec.names) {
  fixed_ = !names_.empty();
  for (size_t i = 0; i < names_.size(); ++i) numbers_[names_[i]] = static_cast<int32_t>(i);
}

std::optional<int32_t> ClassNames::number(std::string_view text) {
  const auto found = numbers_.find(std::string(text));
  if (found != numbers_.end()) return found->second;
  if (fixed_ || names_.size() >= kMaxLearned) return {};
  const auto number = static_cast<int32_t>(names_.size());
  names_.emplace_back(text);
  numbers_.emplace(text, number);
  return number;
}

std::optional<int32_t> ClassNames::by_number(std::string_view text) const {
  int32_t number = -1;
  const auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = problem == std::errc() && rest == text.data() + text.size();
  if (!fixed_ || !whole || number < 0 || static_cast<size_t>(number) >= names_.size()) return {};
  return number;
}

std::string ClassNames::explain(std::string_view text) const {
  if (!fixed_) return fmt::format("more than {} different classes; is this column a number to predict?", kMaxLearned);
  const std::vector<std::string_view> known(names_.begin(), names_.end());
  const std::string help = known.size() <= 12 ? fmt::format("; known: {}", fmt::join(known, ", ")) : spec::suggestion(text, known);
  return fmt::format("'{}' is not a known class{}", excerpt(text), printable(help));
}

std::vector<int32_t> ClassNames::sort() {
  std::vector<int32_t> renumber(names_.size());
  if (fixed_) {
    for (size_t i = 0; i < renumber.size(); ++i) renumber[i] = static_cast<int32_t>(i);
    return renumber;
  }
  const auto value_of = [](const std::string& s, double& v) { return parse_number(s, v) == NumberKind::kNumber; };
  const bool numeric = std::all_of(names_.begin(), names_.end(), [&](const std::string& s) {
    double v = 0;
    return value_of(s, v);
  });
  std::sort(names_.begin(), names_.end(), [&](const std::string& a, const std::string& b) {
    double x = 0, y = 0;
    if (numeric && value_of(a, x) && value_of(b, y) && x != y) return x < y;
    return a < b;
  });
  for (size_t i = 0; i < names_.size(); ++i) {
    int32_t& number = numbers_[names_[i]];
    renumber[static_cast<size_t>(number)] = static_cast<int32_t>(i);
    number = static_cast<int32_t>(i);
  }
  fixed_ = true;
  return renumber;
}

}  // namespace dl
