// The CSV reader and the table built from it. The first byte chooses the options, the rest is the file.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "data/config.h"
#include "data/csv.h"
#include "spec/yaml.h"

namespace {

const char* const kOptions[] = {
    "header: false",
    "header: true",
    "header: false, missing: drop, columns: {y: 1}",
    "header: true, missing: nan, columns: {x: [a], y: b}, classes: true",
    "header: false, missing: mean, window: {length: 2}",
    "header: false, delimiter: ';', missing: zero, one_hot: {0: [F, M]}",
};

// The path of an unnamed file in memory that holds the bytes.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (::write(fd_, data, size) != static_cast<ssize_t>(size)) __builtin_trap();
  }
  ~MemoryFile() { ::close(fd_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const MemoryFile file(data + 1, size - 1);
  const std::string yaml = "{format: csv, path: " + file.path() + ", " + kOptions[data[0] % std::size(kOptions)] + "}";
  dl::spec::Problems problems;
  const auto source = dl::parse_source(dl::spec::parse_yaml(yaml, "fuzz"), "data", "", problems);
  problems.throw_if_any();
  try {
    const dl::OpenedSource opened = source->open({});
    for (const dl::Tensor& tensor : dl::gather_all(*opened.dataset)) (void)tensor;
  } catch (const dl::FileError&) {
  }
  return 0;
}
