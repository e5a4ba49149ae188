#include "io/onnx/external_data.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/terminal.h"

namespace dl::onnx {
namespace {

constexpr size_t kMaxPathBytes = 4096;

// "" when the location is one that may be opened, else what is wrong with it.
std::string problem_of(std::string_view location) {
  if (location.empty()) return "has no location";
  if (location.size() > kMaxPathBytes || location.find('\0') != std::string_view::npos) return "has a location that is no file name";
  if (location.front() == '/' || location.find('\\') != std::string_view::npos || location.find(':') != std::string_view::npos)
    return "has a location that is not relative to the model";
  for (size_t begin = 0; begin <= location.size();) {
    const size_t end = std::min(location.find('/', begin), location.size());
    if (location.substr(begin, end - begin) == "..") return "has a location outside of the model's folder";
    begin = end + 1;
  }
  return "";
}

// The kernel follows the path for us: never out of the folder, never over a link. Kernels before 5.6: step by step.
int open_beneath(int folder, const std::string& location) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long opened = syscall(SYS_openat2, folder, location.c_str(), &how, sizeof how);
  if (opened >= 0 || (errno != ENOSYS && errno != EPERM)) return static_cast<int>(opened);
  int at = dup(folder);
  for (size_t begin = 0; at >= 0 && begin <= location.size();) {
    const size_t end = std::min(location.find('/', begin), location.size());
    const std::string part = location.substr(begin, end - begin);
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | (end < location.size() ? O_DIRECTORY : 0);
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

void ExternalData::fail(const std::string& what) const { throw FileError(place_ + ": external data '" + location_ + "' " + what); }

ExternalData::ExternalData(const std::string& folder, const std::string& location, int64_t offset, int64_t length, int64_t expected,
                           std::string place)
    : place_(std::move(place)), location_(safe_for_terminal(location.substr(0, 200))), offset_(offset), expected_(expected) {
  if (folder.empty()) fail("cannot be read: the model is not a file in a folder");
  if (const std::string problem = problem_of(location); !problem.empty()) fail(problem);
  const int directory = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) fail(std::string("cannot be read: ") + std::strerror(errno));
  file_ = open_beneath(directory, location);
  const int error = errno;
  close(directory);
  if (file_ < 0)
    fail(error == ELOOP || error == EXDEV ? "is a link or leads over one; only files in the model's own folder are read"
                                          : std::string("cannot be opened: ") + std::strerror(error));
  struct stat status {};
  std::string problem;
  if (fstat(file_, &status) != 0)
    problem = std::string("cannot be read: ") + std::strerror(errno);
  else if (!S_ISREG(status.st_mode))
    problem = "is no regular file";
  else if (status.st_nlink != 1)
    problem = "has several names (hard links); copy it";
  else if (offset < 0 || offset > status.st_size || expected > status.st_size - offset)
    problem = "holds " + std::to_string(status.st_size) + " bytes; " + std::to_string(expected) + " at offset " + std::to_string(offset) +
              " are needed";
  else if (length >= 0 && length != expected)
    problem = "is said to give " + std::to_string(length) + " bytes; the shape needs " + std::to_string(expected);
  if (problem.empty()) return;
  close(file_);
  file_ = -1;
  fail(problem);
}

ExternalData::~ExternalData() {
  if (file_ >= 0) close(file_);
}

void ExternalData::read(void* to) const {
  auto* bytes = static_cast<char*>(to);
  for (int64_t done = 0; done < expected_;) {
    const ssize_t count = pread(file_, bytes + done, static_cast<size_t>(expected_ - done), offset_ + done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail(count == 0 ? "ended early" : std::string("cannot be read: ") + std::strerror(errno));
    done += count;
  }
}

}  // namespace dl::onnx
