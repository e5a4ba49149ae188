// A .keras file: zip archive, JSON, HDF5 (in a child process, whose crashes are findings of the HDF5 library and no bugs here).
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "base/error.h"
#include "io/format.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int fd = memfd_create("fuzz", MFD_CLOEXEC);
  if (fd < 0 || write(fd, data, size) != static_cast<ssize_t>(size)) __builtin_trap();
  try {
    dl::read_model("/proc/self/fd/" + std::to_string(fd), {}, dl::find_format("keras"));
  } catch (const dl::FileError&) {
  }
  close(fd);
  return 0;
}
