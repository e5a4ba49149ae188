#include "io/contained_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/positional_io.h"
#include "base/terminal.h"

namespace dl {
namespace {

constexpr size_t kMaxNameBytes = 4096, kShownBytes = 200;

// "" when the name may be opened, else what is wrong with it.
std::string problem_of(std::string_view name) {
  if (name.empty()) return "is no file name";
  if (name.size() > kMaxNameBytes || name.find('\0') != std::string_view::npos) return "is no file name";
  if (name.front() == '/' || name.find('\\') != std::string_view::npos || name.find(':') != std::string_view::npos)
    return "is not relative to the model";
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    if (name.substr(begin, end - begin) == "..") return "lies outside of the model's folder";
    begin = end + 1;
  }
  return "";
}

// The kernel keeps to the folder and refuses links. Kernels before 5.6: part by part.
int open_beneath(int folder, const std::string& name) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long opened = syscall(SYS_openat2, folder, name.c_str(), &how, sizeof how);
  if (opened >= 0 || (errno != ENOSYS && errno != EPERM)) return static_cast<int>(opened);
  int at = dup(folder);
  for (size_t begin = 0; at >= 0 && begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | (end < name.size() ? O_DIRECTORY : 0);
    const int next = part.empty() ? dup(at) : openat(at, part.c_str(), flags);
    const int error = errno;
    close(at);
    errno = error;
    at = next;
    begin = end + 1;
  }
  return at;
}

}  // namespace

void ContainedFile::fail(const std::string& what) const { throw FileError(fmt::format("{}: {} {}", place_, name_, what)); }

ContainedFile::ContainedFile(const std::string& folder, const std::string& name, std::string place, std::string kind)
    : place_(std::move(place)), name_(fmt::format("{}'{}'", kind, safe_for_terminal(name.substr(0, kShownBytes)))) {
  if (const std::string problem = problem_of(name); !problem.empty()) fail(problem);
  const int directory = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) fail(std::string("cannot be read: ") + std::strerror(errno));
  fd_ = open_beneath(directory, name);
  const int error = errno;
  close(directory);
  if (fd_ < 0)
    fail(error == ELOOP || error == EXDEV ? "is a link or leads over one; only files in the model's own folder are read"
                                          : std::string("cannot be opened: ") + std::strerror(error));
  struct stat status {};
  std::string problem;
  if (fstat(fd_, &status) != 0)
    problem = std::string("cannot be read: ") + std::strerror(errno);
  else if (!S_ISREG(status.st_mode))
    problem = "is no regular file";
  else if (status.st_nlink > 1)
    problem = "has several names (hard links); copy it";
  if (problem.empty()) {
    size_ = static_cast<uint64_t>(status.st_size);
    return;
  }
  close(fd_);
  fd_ = -1;
  fail(problem);
}

ContainedFile::~ContainedFile() {
  if (fd_ >= 0) close(fd_);
}

ContainedFile::ContainedFile(ContainedFile&& other) noexcept
    : place_(std::move(other.place_)), name_(std::move(other.name_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

void ContainedFile::read(uint64_t offset, void* to, size_t bytes) const {
  const Transfer read = read_at(fd_, offset, to, bytes);
  if (read.error != 0) throw EnvError(fmt::format("{}: {} cannot be read: {}", place_, name_, std::strerror(read.error)));
  if (read.bytes < bytes) fail("ended early");
}

}  // namespace dl
