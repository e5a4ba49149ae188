#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/error.h"

namespace dl {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTempSuffix = ".dltool-tmp";

std::string cure_for(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return " (free some space or choose another folder)";
    case EACCES:
    case EPERM:
    case EROFS:
      return " (choose a folder you may write to)";
    case ENOENT:
      return " (create the folder first)";
    default:
      return "";
  }
}

// File systems without sync (some FUSE and network ones) say EINVAL or ENOTSUP; there is nothing more to do there.
bool sync_failed(int fd) { return ::fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP; }

std::string folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

// The name behind a symbolic link, also one that points to a file still to be created.
std::string follow_links(std::string path) {
  std::error_code error;
  for (int hops = 0; hops < 40 && fs::is_symlink(path, error); ++hops) {
    const fs::path next = fs::read_symlink(path, error);
    if (error) break;
    path = next.is_absolute() ? next.string() : (fs::path(path).parent_path() / next).string();
  }
  return path;
}

}  // namespace

void throw_file_error(const std::string& path, const char* what, int error) {
  throw EnvError(path + ": " + what + ": " + std::generic_category().message(error) + cure_for(error));
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), target_(path_) {
  struct stat info {};
  const bool exists = ::stat(target_.c_str(), &info) == 0;
  if (exists && S_ISDIR(info.st_mode)) fail("cannot write", EISDIR);
  if (exists && !S_ISREG(info.st_mode)) {
    direct_ = true;
    fd_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC);
    if (fd_ < 0) fail("cannot open", errno);
    return;
  }
  target_ = follow_links(target_);
  static std::atomic<uint64_t> counter{0};
  const fs::path target(target_);
  // A name near the 255-byte limit still leaves room for what is added.
  const std::string base = target.filename().string().substr(0, 180);
  for (;;) {
    const std::string name = "." + base + "." + std::to_string(::getpid()) + "-" + std::to_string(counter++) + std::string(kTempSuffix);
    temp_ = (target.parent_path() / name).string();
    fd_ = ::open(temp_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ >= 0 || errno != EEXIST) break;
  }
  if (fd_ < 0) {
    const int error = errno;
    temp_.clear();
    fail("cannot create", error);
  }
  if (exists && ::fchmod(fd_, info.st_mode & 07777) != 0) fail("cannot keep the permissions", errno);
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  if (!temp_.empty()) ::unlink(temp_.c_str());
  temp_.clear();
}

void AtomicFile::fail(const char* what, int error) {
  discard();
  throw_file_error(path_, what, error);
}

void AtomicFile::write(const void* data, size_t size) {
  DL_CHECK(fd_ >= 0, "write to the closed file " + path_);
  const char* bytes = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(fd_, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail("cannot write", written < 0 ? errno : EIO);
    bytes += written;
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  DL_CHECK(fd_ >= 0, "commit of the closed file " + path_);
  if (!direct_ && sync_failed(fd_)) fail("cannot write to disk", errno);
  const int fd = fd_;
  fd_ = -1;
  if (::close(fd) != 0 && errno != EINTR) fail("cannot write", errno);
  if (direct_) return;
  if (::rename(temp_.c_str(), target_.c_str()) != 0) fail("cannot rename into place", errno);
  temp_.clear();
  if (const int error = sync_folder(folder_of(target_)); error != 0) fail("cannot sync the folder", error);
}

int sync_folder(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = sync_failed(fd) ? errno : 0;
  ::close(fd);
  return error;
}

void atomic_write(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

int64_t remove_stale_temp_files(const std::string& directory) {
  int64_t removed = 0;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (name.starts_with('.') && name.ends_with(kTempSuffix) && it->is_regular_file(ignored) && fs::remove(it->path(), ignored)) ++removed;
  }
  return removed;
}

}  // namespace dl
