#include "data/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"

namespace dl {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 16;

// A raw source of bytes: a descriptor or memory.
class RawBytes {
 public:
  virtual ~RawBytes() = default;
  virtual size_t read(std::byte* into, size_t size) = 0;
};

class FdBytes : public RawBytes {
 public:
  FdBytes(int fd, bool owned, std::string path) : fd_(fd), owned_(owned), path_(std::move(path)) {}
  ~FdBytes() override {
    if (owned_) ::close(fd_);
  }
  size_t read(std::byte* into, size_t size) override {
    size_t done = 0;
    while (done < size) {
      const ssize_t n = ::read(fd_, into + done, size - done);
      if (n == 0) break;
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw_file_error(printable(path_), "cannot read", errno);
      done += static_cast<size_t>(n);
    }
    return done;
  }

 private:
  int fd_;
  bool owned_;
  std::string path_;
};

class MemoryBytes : public RawBytes {
 public:
  explicit MemoryBytes(std::span<const std::byte> bytes) : rest_(bytes) {}
  size_t read(std::byte* into, size_t size) override {
    const size_t n = std::min(size, rest_.size());
    if (n) std::memcpy(into, rest_.data(), n);
    rest_ = rest_.subspan(n);
    return n;
  }

 private:
  std::span<const std::byte> rest_;
};

// Plain bytes, or the concatenation of gzip members.
class Stream : public ByteStream {
 public:
  Stream(std::unique_ptr<RawBytes> raw, std::string name, Inflate inflate) : ByteStream(std::move(name)), raw_(std::move(raw)) {
    buffer_.resize(kChunkBytes);
    fill();
    if (inflate == Inflate::kGzip && have_ >= 2 && buffer_[0] == std::byte{0x1f} && buffer_[1] == std::byte{0x8b}) start_gzip();
  }
  ~Stream() override {
    if (gzip_) inflateEnd(&z_);
  }

  size_t read(std::span<std::byte> into) override { return gzip_ ? read_gzip(into) : read_plain(into); }

 private:
  void fill() {
    at_ = 0;
    have_ = raw_->read(buffer_.data(), buffer_.size());
  }

  size_t read_plain(std::span<std::byte> into) {
    size_t done = 0;
    while (done < into.size()) {
      if (at_ == have_) {
        if (into.size() - done >= buffer_.size()) return done + raw_->read(into.data() + done, into.size() - done);
        fill();
        if (have_ == 0) break;
      }
      const size_t n = std::min(have_ - at_, into.size() - done);
      std::memcpy(into.data() + done, buffer_.data() + at_, n);
      at_ += n;
      done += n;
    }
    return done;
  }

  void start_gzip() {
    std::memset(&z_, 0, sizeof z_);
    if (inflateInit2(&z_, 15 + 16) != Z_OK) throw EnvError(name() + ": not enough memory to inflate");
    gzip_ = true;
  }

  // True when another member follows. Zero padding after a member is what tape blocks leave; anything else is damage.
  bool next_member() {
    for (;;) {
      if (at_ == have_) fill();
      if (have_ == 0) return false;
      if (buffer_[at_] != std::byte{0}) break;
      ++at_;
    }
    if (buffer_[at_] != std::byte{0x1f}) throw FileError(name() + ": bytes after the end of the gzip data; the file is damaged");
    inflateReset(&z_);
    return true;
  }

  size_t read_gzip(std::span<std::byte> into) {
    size_t done = 0;
    while (done < into.size() && !ended_) {
      if (at_ == have_) fill();
      if (have_ == 0) throw FileError(name() + ": gzip data ends early; the file is truncated");
      const size_t in = have_ - at_, out = std::min<size_t>(into.size() - done, 1u << 30);
      z_.next_in = reinterpret_cast<Bytef*>(buffer_.data() + at_);
      z_.avail_in = static_cast<uInt>(in);
      z_.next_out = reinterpret_cast<Bytef*>(into.data() + done);
      z_.avail_out = static_cast<uInt>(out);
      const int status = inflate(&z_, Z_NO_FLUSH);
      at_ += in - z_.avail_in;
      done += out - z_.avail_out;
      if (status == Z_STREAM_END)
        ended_ = !next_member();
      else if (status != Z_OK && status != Z_BUF_ERROR)
        throw FileError(fmt::format("{}: damaged gzip data ({})", name(), z_.msg ? z_.msg : "unknown error"));
    }
    return done;
  }

  std::unique_ptr<RawBytes> raw_;
  std::vector<std::byte> buffer_;
  size_t at_ = 0, have_ = 0;
  z_stream z_;
  bool gzip_ = false, ended_ = false;
};

}  // namespace

std::string resolve_path(const std::string& base_dir, const std::string& path) {
  if (path == "-" || base_dir.empty() || path.starts_with('/') || path.find("://") != std::string::npos) return path;
  return base_dir.ends_with('/') ? base_dir + path : base_dir + "/" + path;
}

CloseFd::~CloseFd() {
  if (fd_ > STDERR_FILENO) ::close(fd_);
}

int open_regular(const std::string& path) {
  if (const size_t colon = path.find("://"); colon != std::string::npos)
    throw UserError(
        fmt::format("{}: the scheme '{}' is not supported; give a local path", printable(path), printable(path.substr(0, colon))));
  if (path.find('\0') != std::string::npos) throw UserError(printable(path) + ": a path cannot hold a NUL character");
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0 && errno == ENOENT)
    throw EnvError(printable(path) +
                   ": cannot open: No such file or directory (check the path; those in a run file start from its folder)");
  if (fd < 0) throw_file_error(printable(path), "cannot open", errno);
  struct stat info;
  if (::fstat(fd, &info) != 0) {
    const int error = errno;
    ::close(fd);
    throw_file_error(printable(path), "cannot open", error);
  }
  if (S_ISREG(info.st_mode)) return fd;
  ::close(fd);
  const char* kind = S_ISDIR(info.st_mode)    ? "a directory"
                     : S_ISFIFO(info.st_mode) ? "a pipe (use - for standard input)"
                                              : "a device or socket";
  throw FileError(fmt::format("{}: expected a regular file, found {}", printable(path), kind));
}

std::unique_ptr<ByteStream> open_bytes(const std::string& path, Inflate inflate) {
  if (path == "-")
    return std::make_unique<Stream>(std::make_unique<FdBytes>(STDIN_FILENO, false, "standard input"), "standard input", inflate);
  const int fd = open_regular(path);
  return std::make_unique<Stream>(std::make_unique<FdBytes>(fd, true, path), printable(path), inflate);
}

std::unique_ptr<ByteStream> open_memory(std::span<const std::byte> bytes, std::string name, Inflate inflate) {
  return std::make_unique<Stream>(std::make_unique<MemoryBytes>(bytes), std::move(name), inflate);
}

std::vector<std::byte> read_all(ByteStream& stream, int64_t max_bytes) {
  std::vector<std::byte> bytes;
  size_t used = 0;
  for (;;) {
    if (used == bytes.size()) bytes.resize(std::max(kChunkBytes, bytes.size() * 2));
    const size_t n = stream.read(std::span(bytes).subspan(used));
    used += n;
    if (static_cast<int64_t>(used) > max_bytes)
      throw FileError(fmt::format("{}: longer than the {} bytes allowed here", stream.name(), max_bytes));
    if (used < bytes.size()) break;
  }
  bytes.resize(used);
  return bytes;
}

std::vector<std::byte> read_file(const std::string& path, int64_t max_bytes, Inflate inflate) {
  return read_all(*open_bytes(path, inflate), max_bytes);
}

OutputFile::OutputFile(const std::string& path) : file_(path == "-" ? nullptr : std::make_unique<AtomicFile>(path)) {}
OutputFile::~OutputFile() = default;

void OutputFile::write(std::string_view bytes) {
  if (file_) return file_->write(bytes);
  while (!bytes.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_file_error("standard output", "cannot write", errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

void OutputFile::commit() {
  if (file_) file_->commit();
}

}  // namespace dl
