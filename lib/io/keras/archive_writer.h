// KerasArchiveWriter: the zip file that a .keras file is, with members stored as they are, in the order given. Deterministic: every
// member is dated 1980-01-01. Atomic: the file appears under its name with finish().
// Who uses it: keras_file.cpp. Errors: EnvError "PATH: cannot write: ...".
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"

namespace dl {

class KerasArchiveWriter {
 public:
  explicit KerasArchiveWriter(const std::string& path);
  ~KerasArchiveWriter();
  KerasArchiveWriter(const KerasArchiveWriter&) = delete;
  KerasArchiveWriter& operator=(const KerasArchiveWriter&) = delete;

  void add_text(const std::string& name, std::string_view text);
  // `write` puts the member's bytes into the file `fd` from `offset` on and returns how many they are.
  void add_file(const std::string& name, const std::function<uint64_t(int fd, uint64_t offset)>& write);
  void finish();

 private:
  struct Member {
    std::string name;
    uint64_t offset, bytes;
    uint32_t checksum;
  };
  void put(uint64_t offset, std::string_view bytes);
  uint32_t checksum_of(uint64_t offset, uint64_t bytes);

  std::string path_;
  AtomicFile file_;
  int fd_ = -1;
  uint64_t end_ = 0;
  std::vector<Member> members_;
};

}  // namespace dl
