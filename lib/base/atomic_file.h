// A file that appears whole or not at all: written to a temporary file in the same folder, synced, renamed over the
// final name, folder synced. Whatever was there before stays until the rename.
// Who uses it: reports, checkpoints, logs on resume, every command that writes a result file.
// Errors: EnvError "PATH: cannot write: No space left on device ..."; the temporary file is then gone.
// A symbolic link is followed. A device or pipe (/dev/stdout, a FIFO) cannot be replaced and is written directly.
// Not thread-safe; two AtomicFiles for one path are safe, the last commit wins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dl {

class AtomicFile {
 public:
  // Creates the temporary file. The folder must exist. An existing file hands on its permissions.
  explicit AtomicFile(std::string path);
  ~AtomicFile();  // removes the temporary file unless committed
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t size);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  // For libraries that write by name (HDF5): they may open and truncate it, and must close it before commit().
  const std::string& temp_path() const { return temp_; }
  void commit();

 private:
  [[noreturn]] void fail(const char* what, int error);
  void discard() noexcept;

  std::string path_;    // as the user gave it, for messages
  std::string target_;  // path_ with links resolved
  std::string temp_;
  int fd_ = -1;
  bool direct_ = false;  // target is a device or pipe: no temporary file
};

void atomic_write(const std::string& path, std::string_view bytes);

// Removes what a killed process left in `directory` (files AtomicFile would have renamed). Call it only while no other
// process writes there. Returns the number removed; a missing folder holds none.
int64_t remove_stale_temp_files(const std::string& directory);

// Makes renames in the folder last; 0 or errno. File systems that cannot sync are fine.
int sync_folder(const std::string& folder);

// One EnvError for a failed call on a file: "PATH: cannot write: No space left on device (free some space ...)".
[[noreturn]] void throw_file_error(const std::string& path, const char* what, int error);

}  // namespace dl
