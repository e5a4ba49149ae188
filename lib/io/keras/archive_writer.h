// KerasArchiveWriter: the zip file that a .keras file is, with members stored as they are, in the order given. Deterministic: every
// member is dated 1980-01-01. Atomic: the file appears under its name with finish().
// Who uses it: keras_file.cpp. Errors: EnvError "PATH: cannot write: ...".
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/working_file.h"

namespace dl {

class KerasArchiveWriter {
 public:
  explicit KerasArchiveWriter(const std::string& path) : file_(path) {}

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

  WorkingFile file_;
  uint64_t end_ = 0;
  std::vector<Member> members_;
};

}  // namespace dl
