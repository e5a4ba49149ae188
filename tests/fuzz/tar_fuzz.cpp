// Tar shards, plain and compressed, as samples.
#include <algorithm>

#include "fuzz/source_fuzz.h"

namespace {

const char* const kOptions[] = {"", "x: jpg;png, y: cls, size: [4, 4], corrupt: skip, missing: drop", "x: npy, y: txt",
                                "x: txt, y: cls, classes: 3"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  dl::fuzz::read_source("webdataset", kOptions, data, size, [](const dl::OpenedSource& opened) {
    if (opened.dataset->fields()[0].row_elements() < 1 << 22)
      for (const dl::Tensor& tensor : dl::gather_all(*dl::slice(opened.dataset, 0, std::min<int64_t>(opened.dataset->size(), 64))))
        (void)tensor;
  });
  return 0;
}
