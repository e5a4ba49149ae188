// The classes of a target that is read as text: fixed beforehand (by the spec or the training part), or learned as they are met.
// Who uses it: sources with class targets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "data/source.h"

namespace dl {

class ClassNames {
 public:
  static constexpr size_t kMaxLearned = 100'000;

  // `trained`: the field of the training part when this is another part; its classes then hold.
  ClassNames(const ClassSpec& spec, const Field* trained);

  bool knows(std::string_view text) const { return numbers_.contains(std::string(text)); }
  // nullopt where the classes are fixed and `text` is none of them, or too many were learned; explain() then says so.
  std::optional<int32_t> number(std::string_view text);
  std::string explain(std::string_view text) const;
  // Of a text that is a number of one of the classes fixed beforehand, not its name.
  std::optional<int32_t> by_number(std::string_view text) const;

  // Learned classes in their final order, by number if all are numbers, else by bytes: entry i is the final number of class i.
  std::vector<int32_t> sort();
  const std::vector<std::string>& names() const { return names_; }

 private:
  bool fixed_ = false;
  std::vector<std::string> names_;
  std::unordered_map<std::string, int32_t> numbers_;
};

// At most 40 bytes of `text` as one printable line, for messages.
std::string excerpt(std::string_view text);

}  // namespace dl
