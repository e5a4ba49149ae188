// ContainedFile: a file that a model names, in the model's own folder. The name comes from the file and may be hostile, so it has to be
// relative and without "..", no link lies on the way, and what it names is a regular file with one name.
// Who uses it: TF.js shards, external data of ONNX. Errors: FileError "PLACE: KIND'NAME' ..."; EnvError where reading fails.
#pragma once

#include <cstdint>
#include <string>

namespace dl {

class ContainedFile {
 public:
  // `kind` stands before the name in messages: "external data ".
  ContainedFile(const std::string& folder, const std::string& name, std::string place, std::string kind = "");
  ~ContainedFile();
  ContainedFile(ContainedFile&& other) noexcept;
  ContainedFile(const ContainedFile&) = delete;
  ContainedFile& operator=(const ContainedFile&) = delete;

  uint64_t size() const { return size_; }
  [[noreturn]] void fail(const std::string& what) const;  // FileError as above
  // Bytes [offset, offset + bytes), which the file has to have.
  void read(uint64_t offset, void* to, size_t bytes) const;

 private:
  std::string place_, name_;  // the name as messages have it
  int fd_ = -1;
  uint64_t size_ = 0;
};

}  // namespace dl
