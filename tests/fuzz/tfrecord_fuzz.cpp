// TFRecord files as samples. The first byte chooses the options, the rest is the file.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "data/config.h"
#include "spec/yaml.h"

namespace {

const char* const kOptions[] = {"x: a", "x: [a, b.c], y: k, missing: zero", "x: {p: a, q: b.c}, y: k, classes: 3, missing: drop",
                                "x: a, size: [4, 4], corrupt: skip"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const int fd = ::memfd_create("fuzz", MFD_CLOEXEC);
  if (::write(fd, data + 1, size - 1) != static_cast<ssize_t>(size - 1)) __builtin_trap();
  const std::string yaml =
      "{format: tfrecord, path: /proc/self/fd/" + std::to_string(fd) + ", " + kOptions[data[0] % std::size(kOptions)] + "}";
  dl::spec::Problems problems;
  const auto source = dl::parse_source(dl::spec::parse_yaml(yaml, "fuzz"), "data", "", problems);
  problems.throw_if_any();
  try {
    const dl::OpenedSource opened = source->open({});
    for (const dl::Tensor& tensor : dl::gather_all(*opened.dataset)) (void)tensor;
  } catch (const dl::FileError&) {
  }
  ::close(fd);
  return 0;
}
