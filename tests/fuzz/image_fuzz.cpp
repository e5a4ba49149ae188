#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "data/image.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<float> out(3 * 5 * 3);
  for (const int64_t channels : {int64_t{1}, int64_t{3}}) {
    try {
      dl::resize_bilinear(dl::decode_image(std::as_bytes(std::span(data, size)), "fuzz", channels), 3, 5, out.data());
    } catch (const dl::FileError&) {
    }
  }
  return 0;
}
