#include "data/text_store.h"

#include <limits>

#include "base/error.h"

namespace dl {

int32_t TextStore::append(std::string_view text) {
  if (count_ > std::numeric_limits<int32_t>::max()) throw FileError("more than 2^31 texts");
  bytes_.append(std::as_bytes(std::span(text)));
  end_ += static_cast<int64_t>(text.size());
  ends_.append(std::as_bytes(std::span(&end_, 1)));
  return static_cast<int32_t>(count_++);
}

std::string TextStore::read(int32_t number) const {
  DL_CHECK(number >= 0 && number < count_, "a text that is not there");
  int64_t place[2] = {0, 0};  // begin and end
  const std::span<int64_t> wanted = number == 0 ? std::span(place).subspan(1) : std::span(place);
  ends_.read(number == 0 ? 0 : 8 * int64_t{number - 1}, std::as_writable_bytes(wanted));
  std::string text(static_cast<size_t>(place[1] - place[0]), '\0');
  if (!text.empty()) bytes_.read(place[0], std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace dl
