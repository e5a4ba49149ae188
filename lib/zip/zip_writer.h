// Zip archives whose members are stored as they are, in the order given. Deterministic: every member is dated 1980-01-01.
// Who uses it: .npz (data), .keras (io).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/working_file.h"

namespace dl {

uint32_t zip_checksum(std::string_view bytes, uint32_t before = 0);

// What stands in the archive besides the bytes of its members, for whoever writes from begin to end.
class ZipDirectory {
 public:
  // What stands before a member's bytes; its length depends on the name only.
  std::string add(const std::string& name, uint64_t bytes, uint32_t checksum);
  static uint64_t header_bytes(const std::string& name);
  std::string end() const;                 // behind the last member
  uint64_t size() const { return size_; }  // of all that was added

 private:
  struct Member {
    std::string name;
    uint64_t offset, bytes;
    uint32_t checksum;
  };
  std::vector<Member> members_;
  uint64_t size_ = 0;
};

// An archive in a file, which appears under its name with finish(). Errors: EnvError "PATH: cannot write: ...".
class ZipWriter {
 public:
  explicit ZipWriter(const std::string& path) : file_(path) {}

  void add_text(const std::string& name, std::string_view text);
  // `write` puts the member's bytes into the file `fd` from `offset` on and returns how many they are.
  void add_file(const std::string& name, const std::function<uint64_t(int fd, uint64_t offset)>& write);
  void finish();

 private:
  WorkingFile file_;
  ZipDirectory directory_;
};

}  // namespace dl
