// WAV files.
#include <cstdint>

#include "base/error.h"
#include "data/wav.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    dl::decode_wav(std::as_bytes(std::span(data, size)), "fuzz");
  } catch (const dl::FileError&) {
  }
  return 0;
}
