#include "ckpt/index.h"

#include <fmt/format.h>

#include <charconv>

#include "base/error.h"

namespace dl {
namespace {

constexpr uint64_t kMaxRank = 32;  // HDF5's

// Takes fields off the front of the index.
class Fields {
 public:
  Fields(std::string_view text, const std::string& path) : text_(text), path_(path) {}
  bool done() const { return at_ == text_.size(); }
  [[noreturn]] void fail() const { throw FileError(fmt::format("{}: is damaged: its index does not read at byte {}", path_, at_)); }

  std::string_view word() {
    const size_t space = text_.find(' ', at_);
    if (space == std::string_view::npos || space == at_) fail();
    const std::string_view result = text_.substr(at_, space - at_);
    at_ = space + 1;
    return result;
  }
  uint64_t number(int base = 10) {
    const std::string_view digits = word();
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (error != std::errc() || end != digits.data() + digits.size()) fail();
    return value;
  }
  // `length` bytes and the newline after them.
  std::string_view last(uint64_t length) {
    if (length >= text_.size() - at_ || text_[at_ + length] != '\n') fail();
    const std::string_view result = text_.substr(at_, length);
    at_ += length + 1;
    return result;
  }

 private:
  std::string_view text_;
  const std::string& path_;
  size_t at_ = 0;
};

uint64_t bytes_of(const IndexEntry& entry, const std::string& path) {
  try {
    const auto elements = static_cast<uint64_t>(element_count(entry.dims));
    if (elements <= UINT64_MAX / 16) return elements * size_of(entry.dtype);
  } catch (const FileError&) {
  }
  throw FileError(fmt::format("{}: {}: its shape {} is too large", path, entry.what(), to_string(entry.dims)));
}

}  // namespace

std::string write_index(const std::vector<IndexEntry>& entries) {
  std::string text;
  for (const IndexEntry& entry : entries) {
    text += fmt::format("{} {} {} ", entry.kind, name_of(entry.dtype), entry.dims.size());
    for (const int64_t n : entry.dims) text += fmt::format("{} ", n);
    text += fmt::format("{} {:08x} {} {}\n", entry.offset, entry.crc, entry.name.size(), entry.name);
  }
  return text;
}

std::vector<IndexEntry> parse_index(std::string_view text, uint64_t file_bytes, const std::string& path) {
  std::vector<IndexEntry> entries;
  uint64_t left = file_bytes;
  for (Fields fields(text, path); !fields.done();) {
    IndexEntry entry;
    entry.kind = fields.word();
    const std::string_view type = fields.word();
    const std::optional<DType> dtype = parse_dtype(type);
    // parse_dtype may know other spellings; a reader that takes one form only is easier to trust.
    if (!dtype || name_of(*dtype) != type) throw FileError(fmt::format("{}: element type '{}' is not known", path, type));
    entry.dtype = *dtype;
    const uint64_t rank = fields.number();
    if (rank > kMaxRank) fields.fail();
    for (uint64_t i = 0; i < rank; ++i) {
      const uint64_t n = fields.number();
      if (n > static_cast<uint64_t>(INT64_MAX)) fields.fail();
      entry.dims.push_back(static_cast<int64_t>(n));
    }
    entry.offset = fields.number();
    const uint64_t crc = fields.number(16);
    if (crc > UINT32_MAX) fields.fail();
    entry.crc = static_cast<uint32_t>(crc);
    entry.name = fields.last(fields.number());
    const uint64_t bytes = bytes_of(entry, path);
    if (entry.offset > file_bytes || bytes > file_bytes - entry.offset || bytes > left) {
      throw FileError(fmt::format("{}: {}: is larger than the file can hold", path, entry.what()));
    }
    left -= bytes;
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace dl
