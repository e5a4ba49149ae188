#include "base/scratch_folder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "base/atomic_file.h"

namespace dl {
namespace {

namespace fs = std::filesystem;

void sync(const fs::path& folder) {
  if (const int error = sync_folder(folder.string()); error != 0) throw_file_error(folder.string(), "cannot write", error);
}

}  // namespace

ScratchFolder::ScratchFolder(const std::string& target) : target_(fs::absolute(target).lexically_normal()) {
  if (!target_.has_filename()) target_ = target_.parent_path();
  std::string name = (target_.parent_path() / ("." + target_.filename().string() + ".XXXXXX")).string();
  if (!mkdtemp(name.data())) throw_file_error(target_.parent_path().string(), "cannot write", errno);
  folder_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void ScratchFolder::publish(const fs::path& inside) {
  if (fs::is_directory(inside)) sync(inside);
  replace(inside, target_.parent_path() / inside.filename());
}

void ScratchFolder::become_target() {
  const mode_t mask = umask(0);
  umask(mask);
  chmod(folder_.c_str(), 0777 & ~mask);
  sync(folder_);
  replace(folder_, target_);
}

void ScratchFolder::replace(const fs::path& from, const fs::path& to) {
  struct stat status {};
  const bool exists = lstat(to.c_str(), &status) == 0;
  // Where a folder is on either side, what is there already changes places and goes with the scratch folder.
  const bool exchange = exists && (S_ISDIR(status.st_mode) || fs::is_directory(from));
  int failed = exchange ? renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) : rename(from.c_str(), to.c_str());
  if (failed != 0 && exchange && errno == EINVAL && from != folder_) {  // a file system that cannot
    const fs::path old = folder_ / (from.filename().string() + ".old");
    failed = rename(to.c_str(), old.c_str()) != 0 ? -1 : rename(from.c_str(), to.c_str());
  }
  if (failed != 0) throw_file_error(to.string(), "cannot write", errno);
  sync(to.parent_path());
}

}  // namespace dl
