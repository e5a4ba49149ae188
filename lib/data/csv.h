// CSV as records of cells (RFC 4180): quotes, doubled quotes, line breaks inside quotes, LF, CRLF and CR ends, BOM.
// Who uses it: the CSV source (tabular.cpp), predict.
// Memory is bounded by kMaxCellBytes and kMaxRecordBytes. Errors: FileError "file:line:column: ..." where line is the
// physical line the cell begins on and column the number of the cell in its record, both from 1.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/file.h"

namespace dl {

inline constexpr size_t kMaxCellBytes = 10 << 20;
inline constexpr size_t kMaxRecordBytes = 256 << 20;

struct CsvCell {
  std::string_view text;  // unquoted; spaces around an unquoted cell are removed
  int64_t line = 0;
  bool quoted = false;
};

class CsvReader {
 public:
  // `stream` must outlive the reader.
  CsvReader(ByteStream& stream, char delimiter);

  // The next record that is not an empty line; false at the end. The cells are valid until the next call.
  bool next(std::vector<CsvCell>& cells);
  void skip_line();

  // "file:line:column"; column counts from 0 here.
  std::string place(const std::vector<CsvCell>& cells, size_t column) const;
  [[noreturn]] void fail(int64_t line, size_t column, const std::string& message) const;

 private:
  struct Span {
    size_t begin, end;
    int64_t line;
    bool quoted;
  };
  int peek();  // -1 at the end
  void advance() { ++at_; }
  void end_line();
  void read_quoted();
  void read_plain();
  void check_sizes(size_t cell_bytes) const;

  ByteStream& stream_;
  char delimiter_;
  std::vector<std::byte> buffer_;
  size_t at_ = 0, have_ = 0;
  int64_t line_ = 1;
  std::string record_;
  std::vector<Span> spans_;
};

}  // namespace dl
