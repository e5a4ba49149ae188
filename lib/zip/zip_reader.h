// ZipReader: the members of a zip archive in a file or in memory, stored or packed by deflate, ZIP64 too. The directory is read and
// checked when it is opened: no member twice, none encrypted, none that claims to unpack to more than deflate can hold.
// Who uses it: .npz (data), .keras (io). A member's name is only a name here: nothing is ever written at a path that an archive gives.
// Errors: FileError "NAME: ..." or "NAME: member 'MEMBER' ...". Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace dl {

struct ZipMember {
  std::string name;
  uint64_t bytes = 0;           // unpacked
  bool stored = false;          // as they are, not packed
  uint64_t row = 0, index = 0;  // its row of the directory: offset and number
};

class ZipReader {
 public:
  // The descriptor, or the bytes, must stay open as long as the reader; `name` stands before every message.
  ZipReader(int fd, std::string name);
  ZipReader(std::span<const std::byte> bytes, std::string name);
  ~ZipReader();

  const std::vector<ZipMember>& members() const { return members_; }

  // `member`, one of members(), is read from its begin; one at a time. The result is where its bytes, packed or not, lie in the archive.
  uint64_t open(const ZipMember& member);
  // Fills `into` as far as the member goes; fewer bytes than asked for mean its end, where its length and checksum have been compared.
  size_t read(std::span<std::byte> into);

 private:
  struct State;
  void list_members();
  [[noreturn]] void fail_at_member(const std::string& problem) const;

  std::string name_;
  std::unique_ptr<State> state_;
  std::vector<ZipMember> members_;
};

}  // namespace dl
