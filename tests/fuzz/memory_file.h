// The input of a fuzz target as a file, for readers that open one by its path.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <string>

namespace dl::fuzz {

// The path of an unnamed file in memory that holds the bytes.
class MemoryFile {
 public:
  MemoryFile(const void* data, size_t size) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (fd_ < 0 || ::write(fd_, data, size) != static_cast<ssize_t>(size)) __builtin_trap();
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace dl::fuzz
