// The table at the end of a checkpoint: what each stretch of the file holds. One line per entry:
//   parameter float32 2 7 5 4096 1a2b3c4d 12 dense/kernel        (kind, type, rank, sizes, offset, CRC-32C, length of name, name)
//   text uint8 1 310 5000 99aabbcc 4 spec
//   fact uint8 1 5 5310 00112233 4 host
// Who uses it: checkpoint reader and writer. The parser trusts nothing.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/tensor.h"

namespace dl {

struct IndexEntry {
  std::string kind;
  DType dtype = DType::kUInt8;
  Dims dims;
  uint64_t offset = 0;  // from the start of the file
  uint32_t crc = 0;
  std::string name;
  std::string what() const { return kind + " '" + name + "'"; }
};

std::string write_index(const std::vector<IndexEntry>& entries);
// FileError beginning with `path` unless the text is what write_index gives, and every entry lies within a file of `file_bytes`, all
// together no larger than it: reading them cannot take more memory than the file has bytes.
std::vector<IndexEntry> parse_index(std::string_view text, uint64_t file_bytes, const std::string& path);

}  // namespace dl
