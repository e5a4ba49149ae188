// ScratchFolder: a folder beside a target, for results that appear whole or not at all: files are made in it, synced and moved to their
// place. What is left in it goes with it, what it replaced too.
// Who uses it: convert, which proves a result before it appears; writers of formats that are folders (TF.js).
// Errors: EnvError "PATH: cannot write: ...".
#pragma once

#include <filesystem>
#include <string>

namespace dl {

class ScratchFolder {
 public:
  // In the folder of `target`, which must exist.
  explicit ScratchFolder(const std::string& target);
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return folder_; }
  const std::filesystem::path& target() const { return target_; }  // absolute
  // Moves a file or folder of it beside the target, under the same name.
  void publish(const std::filesystem::path& inside);
  // The folder itself takes the target's place.
  void become_target();

 private:
  void replace(const std::filesystem::path& from, const std::filesystem::path& to);

  std::filesystem::path target_, folder_;
};

}  // namespace dl
