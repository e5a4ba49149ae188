#include "data/spill.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/atomic_file.h"
#include "base/error.h"
#include "data/file.h"

namespace dl {
namespace {

constexpr size_t kPendingBytes = size_t{1} << 20;

std::string scratch_folder() {
  const char* set = std::getenv("TMPDIR");
  return set && *set ? set : "/tmp";
}

int open_scratch(const std::string& folder) {
  int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    std::string name = folder + "/dltool-XXXXXX";
    fd = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd >= 0) ::unlink(name.c_str());
  }
  if (fd < 0)
    throw EnvError(fmt::format("{}: cannot make a temporary file for the samples: {}; set TMPDIR to a folder with room for them",
                               printable(folder), std::strerror(errno)));
  return fd;
}

}  // namespace

size_t read_at(int fd, int64_t offset, std::span<std::byte> into, const char* name) {
  size_t done = 0;
  while (done < into.size()) {
    const ssize_t n = ::pread(fd, into.data() + done, into.size() - done, static_cast<off_t>(offset) + static_cast<off_t>(done));
    if (n == 0) break;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_file_error(name, "cannot read", errno);
    done += static_cast<size_t>(n);
  }
  return done;
}

Spill::~Spill() {
  if (fd_ >= 0) ::close(fd_);
}

int64_t Spill::append(std::span<const std::byte> bytes) {
  const int64_t at = size();
  if (fd_ < 0 && memory_.size() + bytes.size() <= memory_bytes_) {
    memory_.insert(memory_.end(), bytes.begin(), bytes.end());
    return at;
  }
  if (fd_ < 0) fd_ = open_scratch(scratch_folder());
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  if (pending_.size() >= kPendingBytes) flush();
  return at;
}

void Spill::flush() {
  size_t done = 0;
  while (done < pending_.size()) {
    const ssize_t n =
        ::pwrite(fd_, pending_.data() + done, pending_.size() - done, static_cast<off_t>(written_) + static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      throw EnvError(fmt::format("{}: cannot write temporary samples: {}; set TMPDIR to a folder with more room",
                                 printable(scratch_folder()), std::strerror(errno)));
    done += static_cast<size_t>(n);
  }
  written_ += static_cast<int64_t>(done);
  pending_.clear();
}

void Spill::finish() {
  if (fd_ >= 0) flush();
  pending_ = {};
  memory_.shrink_to_fit();
}

void Spill::read(int64_t offset, std::span<std::byte> into) const {
  DL_CHECK(offset >= 0 && offset + static_cast<int64_t>(into.size()) <= size(), "read past the end of the spilled bytes");
  const auto kept = static_cast<int64_t>(memory_.size());
  if (offset < kept) {
    const size_t n = std::min(into.size(), static_cast<size_t>(kept - offset));
    std::memcpy(into.data(), memory_.data() + offset, n);
    into = into.subspan(n);
    offset = kept;
  }
  if (!into.empty() && offset - kept < written_) {
    const size_t n = std::min(into.size(), static_cast<size_t>(written_ - (offset - kept)));
    if (read_at(fd_, offset - kept, into.first(n), "temporary samples") < n)
      throw EnvError("temporary samples: the file has become shorter");
    into = into.subspan(n);
    offset += static_cast<int64_t>(n);
  }
  if (!into.empty()) std::memcpy(into.data(), pending_.data() + (offset - kept - written_), into.size());
}

}  // namespace dl
