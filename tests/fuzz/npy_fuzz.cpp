// .npy, or .npz when the bytes begin as a zip does. What is read must be written and read back the same.
#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"
#include "data/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  try {
    if (size > 1 && data[0] == 'P' && data[1] == 'K') {
      dl::read_npz(bytes, "fuzz");
      return 0;
    }
    const dl::Tensor tensor = dl::read_npy(bytes, "fuzz");
    const std::string again = dl::npy_bytes(tensor);
    if (!dl::bit_equal(dl::read_npy(std::as_bytes(std::span(again)), "again"), tensor)) __builtin_trap();
  } catch (const dl::FileError&) {
  }
  return 0;
}
