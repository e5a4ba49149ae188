// Files as byte streams: opened safely, inflated when they start with the gzip magic.
// Who uses it: every reader and writer of lib/data. A new source scheme (s3://, https://) is one more row in open_bytes.
// Only regular files are opened (a FIFO or a device could block or never end); "-" is stdin or stdout.
// Errors: EnvError when the system refuses (missing, no permission, I/O), FileError when the content or kind of file is wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"

namespace dl {

// Absolute paths, "-" and URLs as they are; anything else relative to `base_dir`.
std::string resolve_path(const std::string& base_dir, const std::string& path);

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Fills `into` as far as there are bytes; fewer than asked for means the end.
  virtual size_t read(std::span<std::byte> into) = 0;
  const std::string& name() const { return name_; }  // printable, for messages

 protected:
  explicit ByteStream(std::string name) : name_(std::move(name)) {}

 private:
  std::string name_;
};

enum class Inflate { kNo, kGzip };  // kGzip: inflate gzip input (all members), pass other input through

std::unique_ptr<ByteStream> open_bytes(const std::string& path, Inflate inflate = Inflate::kGzip);
// The same over bytes in memory, which must outlive the stream.
std::unique_ptr<ByteStream> open_memory(std::span<const std::byte> bytes, std::string name, Inflate inflate = Inflate::kGzip);

// The rest of the stream. FileError when it is longer than max_bytes.
std::vector<std::byte> read_all(ByteStream& stream, int64_t max_bytes);
std::vector<std::byte> read_file(const std::string& path, int64_t max_bytes, Inflate inflate = Inflate::kNo);

// An open descriptor of a regular file, checked as open_bytes does; the caller closes it.
int open_regular(const std::string& path);

// Closes such a descriptor, but none of the standard streams.
class CloseFd {
 public:
  explicit CloseFd(int fd) : fd_(fd) {}
  ~CloseFd();
  CloseFd(const CloseFd&) = delete;
  CloseFd& operator=(const CloseFd&) = delete;

 private:
  int fd_;
};

// A result file: replaced whole by commit() (base/atomic_file.h), or "-" for standard output.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path);
  ~OutputFile();
  void write(std::string_view bytes);
  void commit();

 private:
  std::unique_ptr<class AtomicFile> file_;  // null: standard output
};

}  // namespace dl
