#include "base/working_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/positional_io.h"

namespace dl {

namespace {
constexpr size_t kBlockBytes = size_t{1} << 20;
}

WorkingFile::WorkingFile(const std::string& path) : path_(path), file_(path) {
  fd_ = ::open(file_.temp_path().c_str(), O_RDWR | O_CLOEXEC);
  if (fd_ < 0) throw_file_error(path_, "cannot write", file_.temp_path().empty() ? ESPIPE : errno);
}

WorkingFile::~WorkingFile() {
  if (fd_ >= 0) ::close(fd_);
}

void WorkingFile::write(uint64_t offset, std::string_view bytes) {
  if (const int error = write_at(fd_, offset, bytes.data(), bytes.size()).error) throw_file_error(path_, "cannot write", error);
}

void WorkingFile::read_back(uint64_t begin, uint64_t end, const std::function<void(std::string_view)>& take) const {
  std::string block(static_cast<size_t>(std::min<uint64_t>(kBlockBytes, end - begin)), '\0');
  while (begin < end) {
    const Transfer read = read_at(fd_, begin, block.data(), static_cast<size_t>(std::min<uint64_t>(block.size(), end - begin)));
    if (read.bytes == 0) throw_file_error(path_, "cannot read back", read.error != 0 ? read.error : EIO);
    take({block.data(), read.bytes});
    begin += read.bytes;
  }
}

void WorkingFile::commit() {
  if (::close(std::exchange(fd_, -1)) != 0) throw_file_error(path_, "cannot write", errno);
  file_.commit();
}

}  // namespace dl
