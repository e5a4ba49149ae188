#include "data/lines.h"

#include <fmt/format.h>

#include <cstring>

#include "base/error.h"

namespace dl {

std::string LineReader::place() const { return fmt::format("{}:{}", stream_.name(), number_); }

bool LineReader::next(std::string& line) {
  line.clear();
  bool any = false;
  for (;;) {
    if (at_ == have_) {
      at_ = 0;
      have_ = stream_.read(buffer_);
      if (have_ == 0) break;
    }
    if (!any) ++number_;
    any = true;
    const char* begin = reinterpret_cast<const char*>(buffer_.data()) + at_;
    const void* end = std::memchr(begin, '\n', have_ - at_);
    const size_t size = end ? static_cast<size_t>(static_cast<const char*>(end) - begin) : have_ - at_;
    line.append(begin, size);
    if (line.size() > kMaxLineBytes) throw FileError(fmt::format("{}: a line of more than {} MiB", place(), kMaxLineBytes >> 20));
    at_ += size;
    if (!end) continue;
    ++at_;
    break;
  }
  if (!any) return false;
  if (line.ends_with('\r')) line.pop_back();
  if (number_ == 1 && line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);
  if (number_ == 1 && (line.starts_with("\xff\xfe") || line.starts_with("\xfe\xff")))
    throw FileError(fmt::format("{}: UTF-16 text; convert the file to UTF-8", place()));
  return true;
}

}  // namespace dl
