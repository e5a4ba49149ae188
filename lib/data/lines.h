// Lines of text files: LF, CRLF or CR LF ends, a byte order mark at the start left out, the last line with or without an end.
// Who uses it: the jsonl and text sources.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/file.h"

namespace dl {

inline constexpr size_t kMaxLineBytes = size_t{64} << 20;

class LineReader {
 public:
  // `stream` must outlive the reader.
  explicit LineReader(ByteStream& stream) : stream_(stream), buffer_(size_t{1} << 16) {}
  // The next line without its end; false when there is none. FileError for a line of more than kMaxLineBytes.
  bool next(std::string& line);
  int64_t number() const { return number_; }  // of the line read last, from 1
  std::string place() const;                  // "file:line"

 private:
  ByteStream& stream_;
  std::vector<std::byte> buffer_;
  size_t at_ = 0, have_ = 0;
  int64_t number_ = 0;
};

}  // namespace dl
