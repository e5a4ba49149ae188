#include "data/csv.h"

#include <fmt/format.h>

#include "base/error.h"

namespace dl {

CsvReader::CsvReader(ByteStream& stream, char delimiter) : stream_(stream), delimiter_(delimiter), buffer_(size_t{1} << 16) {
  have_ = stream_.read(buffer_);
  const auto byte = [&](size_t i) { return i < have_ ? static_cast<unsigned char>(buffer_[i]) : 0u; };
  if (byte(0) == 0xef && byte(1) == 0xbb && byte(2) == 0xbf) at_ = 3;
  if ((byte(0) == 0xff && byte(1) == 0xfe) || (byte(0) == 0xfe && byte(1) == 0xff)) fail(1, 0, "UTF-16 text; convert the file to UTF-8");
}

std::string CsvReader::place(const std::vector<CsvCell>& cells, size_t column) const {
  const int64_t line = cells.empty() ? line_ : cells[std::min(column, cells.size() - 1)].line;
  return fmt::format("{}:{}:{}", stream_.name(), line, column + 1);
}

void CsvReader::fail(int64_t line, size_t column, const std::string& message) const {
  throw FileError(fmt::format("{}:{}:{}: {}", stream_.name(), line, column + 1, message));
}

int CsvReader::peek() {
  if (at_ == have_) {
    at_ = 0;
    have_ = stream_.read(buffer_);
    if (have_ == 0) return -1;
  }
  return static_cast<unsigned char>(buffer_[at_]);
}

// At '\n' or '\r': passes the line end.
void CsvReader::end_line() {
  const bool cr = peek() == '\r';
  advance();
  if (cr && peek() == '\n') advance();
  ++line_;
}

void CsvReader::check_sizes(size_t cell_bytes) const {
  if (cell_bytes > kMaxCellBytes)
    fail(spans_.back().line, spans_.size() - 1,
         fmt::format("cell longer than {} MiB{}", kMaxCellBytes >> 20, spans_.back().quoted ? "; is a closing quote missing?" : ""));
  if (record_.size() > kMaxRecordBytes) fail(spans_.front().line, 0, fmt::format("record longer than {} MiB", kMaxRecordBytes >> 20));
}

void CsvReader::read_quoted() {
  Span& span = spans_.back();
  span.quoted = true;
  advance();
  for (;;) {
    const int c = peek();
    if (c < 0) fail(span.line, spans_.size() - 1, "quoted cell is never closed; add the closing quote or double a quote inside the cell");
    if (c == 0) fail(line_, spans_.size() - 1, "NUL byte; this is not a text file");
    if (c == '\n' || c == '\r') {
      record_ += '\n';  // every kind of line break in a cell reads the same
      end_line();
    } else if (c == '"') {
      advance();
      if (peek() != '"') break;
      record_ += '"';
      advance();
    } else {
      record_ += static_cast<char>(c);
      advance();
    }
    check_sizes(record_.size() - span.begin);
  }
  span.end = record_.size();
  while (peek() == ' ') advance();
  const int c = peek();
  if (c >= 0 && c != '\n' && c != '\r' && c != static_cast<unsigned char>(delimiter_))
    fail(line_, spans_.size() - 1, "text after the closing quote; a quote inside a quoted cell is written twice");
}

void CsvReader::read_plain() {
  Span& span = spans_.back();
  for (;;) {
    if (peek() < 0) break;
    const char* begin = reinterpret_cast<const char*>(buffer_.data());
    const size_t from = at_;
    while (at_ < have_ && begin[at_] != delimiter_ && begin[at_] != '\n' && begin[at_] != '\r' && begin[at_] != '\0') ++at_;
    record_.append(begin + from, at_ - from);
    check_sizes(record_.size() - span.begin);
    if (at_ == have_) continue;
    if (begin[at_] == '\0') fail(line_, spans_.size() - 1, "NUL byte; this is not a text file");
    break;
  }
  span.end = record_.size();
  const auto blank = [&](size_t i) { return record_[i] == ' ' || record_[i] == '\t'; };
  while (span.end > span.begin && blank(span.end - 1)) --span.end;
  while (span.begin < span.end && blank(span.begin)) ++span.begin;
}

bool CsvReader::next(std::vector<CsvCell>& cells) {
  for (int c = peek(); c == '\n' || c == '\r'; c = peek()) end_line();
  cells.clear();
  if (peek() < 0) return false;
  record_.clear();
  spans_.clear();
  for (;;) {
    spans_.push_back({record_.size(), record_.size(), line_, false});
    while (peek() == ' ') advance();
    if (peek() == '"')
      read_quoted();
    else
      read_plain();
    if (peek() != static_cast<unsigned char>(delimiter_)) break;
    advance();
  }
  if (peek() >= 0) end_line();
  for (const Span& s : spans_) cells.push_back({std::string_view(record_).substr(s.begin, s.end - s.begin), s.line, s.quoted});
  return true;
}

void CsvReader::skip_line() {
  for (int c = peek(); c >= 0 && c != '\n' && c != '\r'; c = peek()) advance();
  if (peek() >= 0) end_line();
}

}  // namespace dl
