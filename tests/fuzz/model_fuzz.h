// What the targets of model files that are one file do: the reader of their format takes the bytes, or refuses them with a FileError.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "fuzz/memory_file.h"
#include "io/format.h"

namespace dl::fuzz {

inline int read_as(const char* format, const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  try {
    read_model(file.path(), {}, find_format(format));
  } catch (const FileError&) {
  }
  return 0;
}

}  // namespace dl::fuzz
