// KerasArchive: the zip file that a .keras file is. Checked as a whole before anything is read: every member has a known name or is an
// asset, appears once, is not encrypted, packed by deflate at most, and not absurdly larger than what is stored.
// Who uses it: keras_file.cpp, fuzz target. Nothing is ever written at a path that the archive names.
// Errors: FileError "FILE: MEMBER: ..."; EnvError when there is no room for a temporary file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "hdf5/hdf5_file.h"

struct zip;

namespace dl {

class KerasArchive {
 public:
  explicit KerasArchive(const std::string& path);
  ~KerasArchive();
  KerasArchive(const KerasArchive&) = delete;
  KerasArchive& operator=(const KerasArchive&) = delete;

  bool has(const std::string& member) const { return members_.contains(member); }
  std::string read_text(const std::string& member) const;
  // The bytes of the member, its checksum compared: in the archive itself where they are stored as they are, else in a temporary file
  // without a name. Valid as long as this object.
  FileRange open_range(const std::string& member);

 private:
  struct Member {
    uint64_t index, bytes, packed;
    bool stored;
  };
  void list_members();
  void check_member(const std::string& name, const Member& member) const;
  void read_member(const std::string& name, const Member& member, bool (*use)(void* state, const char* bytes, size_t count),
                   void* state) const;
  uint64_t find_data(const std::string& name, const Member& member) const;

  std::string path_;
  zip* zip_ = nullptr;
  int fd_ = -1, temporary_ = -1;
  std::map<std::string, Member> members_;
};

}  // namespace dl
