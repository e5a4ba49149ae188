#include "ckpt/seal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>

#include "base/atomic_file.h"
#include "base/crc32c.h"
#include "base/error.h"

namespace dl {
namespace {

struct File {
  explicit File(const std::string& path) : fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd < 0) throw_file_error(path, "cannot open", errno);
  }
  ~File() { ::close(fd); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd;
};

// Up to `size` bytes; fewer only at the end of the file.
size_t read_some(const File& file, const std::string& path, char* buffer, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t n = ::read(file.fd, buffer + done, size - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_file_error(path, "cannot read", errno);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

// The number behind `label` at the start of `text`, which is cut off with its newline.
template <class T>
bool take_number(std::string_view& text, std::string_view label, int base, T& value) {
  if (!text.starts_with(label)) return false;
  const char* begin = text.data() + label.size();
  const char* end = text.data() + text.size();
  const auto [next, error] = std::from_chars(begin, end, value, base);
  if (error != std::errc() || next == end || *next != '\n') return false;
  text.remove_prefix(static_cast<size_t>(next - text.data()) + 1);
  return true;
}

}  // namespace

std::string make_seal(uint64_t file_bytes, uint32_t crc, int64_t version) {
  std::string seal = fmt::format("{}format_version {}\nbytes {}\ncrc32c {:08x}\n", kSealMagic, version, file_bytes, crc);
  seal.resize(kSealBytes, '\0');
  return seal;
}

uint64_t check_seal(const std::string& path) {
  const File file(path);
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) throw_file_error(path, "cannot read", errno);
  if (!S_ISREG(info.st_mode)) throw FileError(path + ": is no regular file, so no checkpoint");
  const uint64_t size = static_cast<uint64_t>(info.st_size);
  char head[kSealBytes];
  const size_t head_bytes = read_some(file, path, head, sizeof head);
  std::string_view rest(head, head_bytes);
  if (head_bytes < kSealMagic.size() || !rest.starts_with(kSealMagic)) throw FileError(path + ": is no dltool checkpoint");
  if (head_bytes < kSealBytes) throw FileError(fmt::format("{}: is cut off after {} bytes", path, size));
  rest.remove_prefix(kSealMagic.size());
  int64_t version = 0;
  uint64_t bytes = 0;
  uint32_t crc = 0;
  if (!take_number(rest, "format_version ", 10, version) || version < 1)
    throw FileError(path + ": is damaged (its first lines do not read)");
  if (version > kCheckpointVersion) {
    throw FileError(fmt::format("{}: has checkpoint format {}, written by a newer dltool; this one reads up to {}: use the newer one", path,
                                version, kCheckpointVersion));
  }
  if (!take_number(rest, "bytes ", 10, bytes) || !take_number(rest, "crc32c ", 16, crc) ||
      make_seal(bytes, crc, version) != std::string_view(head, kSealBytes)) {
    throw FileError(path + ": is damaged (its first lines do not read)");
  }
  if (bytes != size) throw FileError(fmt::format("{}: is damaged: holds {} bytes of {}", path, size, bytes));
  constexpr size_t kBuffer = 1 << 20;
  const auto buffer = std::make_unique<char[]>(kBuffer);
  uint32_t found = 0;
  for (uint64_t done = kSealBytes; done < size;) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(kBuffer, size - done));
    const size_t n = read_some(file, path, buffer.get(), wanted);
    if (n == 0) throw FileError(path + ": got shorter while it was read");
    found = crc32c(buffer.get(), n, found);
    done += n;
  }
  if (found != crc) throw FileError(fmt::format("{}: is damaged: checksum {:08x} instead of {:08x}", path, found, crc));
  return size;
}

}  // namespace dl
