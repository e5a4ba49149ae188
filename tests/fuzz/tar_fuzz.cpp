// Tar shards, plain and compressed, as samples. The first byte chooses the options, the rest is the archive.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "data/config.h"
#include "spec/yaml.h"

namespace {

const char* const kOptions[] = {"", ", x: jpg;png, y: cls, size: [4, 4], corrupt: skip, missing: drop", ", x: npy, y: txt",
                                ", x: txt, y: cls, classes: 3"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const int fd = ::memfd_create("fuzz", MFD_CLOEXEC);
  if (::write(fd, data + 1, size - 1) != static_cast<ssize_t>(size - 1)) __builtin_trap();
  const std::string yaml = "{format: webdataset, path: /proc/self/fd/" + std::to_string(fd) + kOptions[data[0] % std::size(kOptions)] + "}";
  dl::spec::Problems problems;
  const auto source = dl::parse_source(dl::spec::parse_yaml(yaml, "fuzz"), "data", "", problems);
  problems.throw_if_any();
  try {
    const dl::OpenedSource opened = source->open({});
    if (opened.dataset->fields()[0].row_elements() < 1 << 22)
      for (const dl::Tensor& tensor : dl::gather_all(*dl::slice(opened.dataset, 0, std::min<int64_t>(opened.dataset->size(), 64))))
        (void)tensor;
  } catch (const dl::FileError&) {
  }
  ::close(fd);
  return 0;
}
