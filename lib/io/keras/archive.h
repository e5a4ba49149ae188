// KerasArchive: the zip file that a .keras file is. No member has a name that leads out of it.
// Who uses it: keras_file.cpp, fuzz target. Nothing is ever written at a path that the archive names.
// Errors: FileError "FILE: member 'MEMBER' ..."; EnvError when there is no room for a temporary file.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "hdf5/hdf5_file.h"
#include "zip/zip_reader.h"

namespace dl {

class KerasArchive {
 public:
  explicit KerasArchive(const std::string& path);
  ~KerasArchive();
  KerasArchive(const KerasArchive&) = delete;
  KerasArchive& operator=(const KerasArchive&) = delete;

  bool has(const std::string& member) const { return members_.contains(member); }
  std::string read_text(const std::string& member);
  // The bytes of the member, its checksum compared: in the archive itself where they are stored as they are, else in a temporary file
  // without a name. Valid as long as this object.
  FileRange open_range(const std::string& member);

 private:
  const ZipMember& find(const std::string& name) const;

  std::string path_;
  int fd_ = -1, temporary_ = -1;
  std::unique_ptr<ZipReader> zip_;
  std::map<std::string, const ZipMember*> members_;
};

}  // namespace dl
