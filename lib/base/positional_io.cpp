#include "base/positional_io.h"

#include <unistd.h>

#include <cerrno>

namespace dl {
namespace {

// `call` moves what is left, from `done` on.
template <class Call>
Transfer repeat(size_t bytes, int error_of_none, const Call& call) {
  Transfer transfer;
  while (transfer.bytes < bytes) {
    const ssize_t n = call(transfer.bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      transfer.error = n < 0 ? errno : error_of_none;
      break;
    }
    transfer.bytes += static_cast<size_t>(n);
  }
  return transfer;
}

}  // namespace

Transfer read_at(int fd, uint64_t offset, void* to, size_t bytes) {
  return repeat(bytes, 0,
                [&](size_t done) { return ::pread(fd, static_cast<char*>(to) + done, bytes - done, static_cast<off_t>(offset + done)); });
}

Transfer write_at(int fd, uint64_t offset, const void* from, size_t bytes) {
  return repeat(bytes, ENOSPC, [&](size_t done) {
    return ::pwrite(fd, static_cast<const char*>(from) + done, bytes - done, static_cast<off_t>(offset + done));
  });
}

}  // namespace dl
