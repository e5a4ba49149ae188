// WorkingFile: an AtomicFile that is written at any place, and read back, before it appears under its name.
// Who uses it: writers of files with checksums or tables that stand before what they are of (checkpoints, HDF5, zip).
// Errors: EnvError "PATH: cannot write: ...". Not thread-safe. A device or pipe has no places and is refused.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/atomic_file.h"

namespace dl {

class WorkingFile {
 public:
  explicit WorkingFile(const std::string& path);
  ~WorkingFile();
  WorkingFile(const WorkingFile&) = delete;
  WorkingFile& operator=(const WorkingFile&) = delete;

  int fd() const { return fd_; }  // for libraries that write by themselves
  void write(uint64_t offset, std::string_view bytes);
  // Gives `take` the bytes from `begin` to `end`, block by block.
  void read_back(uint64_t begin, uint64_t end, const std::function<void(std::string_view)>& take) const;
  void commit();

 private:
  std::string path_;
  AtomicFile file_;
  int fd_ = -1;
};

}  // namespace dl
