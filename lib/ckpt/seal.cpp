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
#include "base/positional_io.h"

namespace dl {
namespace {

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

std::string make_seal(uint64_t file_bytes, uint64_t index_offset, uint32_t crc, int64_t version) {
  std::string seal =
      fmt::format("{}format_version {}\nbytes {}\nindex {}\ncrc32c {:08x}\n", kSealMagic, version, file_bytes, index_offset, crc);
  seal.resize(kSealBytes, '\0');
  return seal;
}

SealedFile::SealedFile(const std::string& path) : path_(path) {
  // Not blocking: a FIFO is to be refused, not waited for.
  fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) throw_file_error(path, "cannot open", errno);
  try {
    check();
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

SealedFile::~SealedFile() { ::close(fd_); }

// Fewer bytes than asked for only at the end of the file.
size_t SealedFile::read_some(uint64_t offset, size_t bytes, char* destination) const {
  const Transfer read = read_at(fd_, offset, destination, bytes);
  if (read.error != 0) throw_file_error(path_, "cannot read", read.error);
  return read.bytes;
}

void SealedFile::read(uint64_t offset, size_t bytes, void* destination) const {
  if (offset > size_ || bytes > size_ - offset) throw FileError(fmt::format("{}: {} bytes at {} are beyond its end", path_, bytes, offset));
  if (read_some(offset, bytes, static_cast<char*>(destination)) != bytes) throw FileError(path_ + ": got shorter while it was read");
}

std::string SealedFile::read_index() const {
  std::string index(size_ - index_offset_, '\0');
  read(index_offset_, index.size(), index.data());
  return index;
}

void SealedFile::check() {
  struct stat info {};
  if (::fstat(fd_, &info) != 0) throw_file_error(path_, "cannot read", errno);
  if (!S_ISREG(info.st_mode)) throw FileError(path_ + ": is no regular file, so no checkpoint");
  size_ = static_cast<uint64_t>(info.st_size);
  char head[kSealBytes];
  const size_t head_bytes = read_some(0, sizeof head, head);
  std::string_view rest(head, head_bytes);
  if (!rest.starts_with(kSealMagic)) throw FileError(path_ + ": is no dltool checkpoint");
  if (head_bytes < kSealBytes) throw FileError(fmt::format("{}: is cut off after {} bytes", path_, size_));
  rest.remove_prefix(kSealMagic.size());
  int64_t version = 0;
  uint64_t bytes = 0;
  uint32_t crc = 0;
  if (!take_number(rest, "format_version ", 10, version) || version < 1)
    throw FileError(path_ + ": is damaged (its first lines do not read)");
  if (version > kCheckpointVersion) {
    throw FileError(fmt::format("{}: has checkpoint format {}, written by a newer dltool; this one reads up to {}: use the newer one",
                                path_, version, kCheckpointVersion));
  }
  if (!take_number(rest, "bytes ", 10, bytes) || !take_number(rest, "index ", 10, index_offset_) ||
      !take_number(rest, "crc32c ", 16, crc) || make_seal(bytes, index_offset_, crc, version) != std::string_view(head, kSealBytes)) {
    throw FileError(path_ + ": is damaged (its first lines do not read)");
  }
  if (bytes != size_) throw FileError(fmt::format("{}: is damaged: holds {} bytes of {}", path_, size_, bytes));
  if (index_offset_ < kSealBytes || index_offset_ > size_) throw FileError(path_ + ": is damaged (its index is outside)");
  constexpr size_t kBuffer = 1 << 20;
  const auto buffer = std::make_unique<char[]>(kBuffer);
  uint32_t found = 0;
  for (uint64_t done = kSealBytes; done < size_;) {
    const size_t n = static_cast<size_t>(std::min<uint64_t>(kBuffer, size_ - done));
    read(done, n, buffer.get());
    found = crc32c(buffer.get(), n, found);
    done += n;
  }
  if (found != crc) throw FileError(fmt::format("{}: is damaged: checksum {:08x} instead of {:08x}", path_, found, crc));
}

}  // namespace dl
