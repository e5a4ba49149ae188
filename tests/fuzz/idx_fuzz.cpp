#include <cstdint>
#include <span>

#include "base/error.h"
#include "data/idx.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    dl::read_idx(*dl::open_memory(std::as_bytes(std::span(data, size)), "fuzz"));
  } catch (const dl::FileError&) {
  }
  return 0;
}
