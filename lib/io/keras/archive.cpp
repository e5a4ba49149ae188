#include "io/keras/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/positional_io.h"
#include "base/unnamed_file.h"
#include "base/utf8.h"

namespace dl {
namespace {

constexpr uint64_t kMaxTextBytes = uint64_t{64} << 20;
constexpr size_t kBlock = size_t{1} << 20;

bool leads_out(const std::string& name) {
  return name[0] == '/' || name.find('\\') != std::string::npos || name == ".." || name.starts_with("../") ||
         name.find("/../") != std::string::npos || name.ends_with("/..");
}

}  // namespace

KerasArchive::KerasArchive(const std::string& path) : path_(path) {
  fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) throw EnvError(fmt::format("{}: cannot be opened: {}", path, strerror(errno)));
  try {
    zip_ = std::make_unique<ZipReader>(fd_, path);
    for (const ZipMember& member : zip_->members()) {
      if (leads_out(member.name))
        throw FileError(fmt::format("{}: member '{}' has a name that leads out of the archive: refused", path, printable(member.name)));
      members_[member.name] = &member;
    }
  } catch (...) {
    close(fd_);
    throw;
  }
}

KerasArchive::~KerasArchive() {
  close(fd_);
  if (temporary_ >= 0) close(temporary_);
}

const ZipMember& KerasArchive::find(const std::string& name) const {
  const auto found = members_.find(name);
  if (found == members_.end()) throw FileError(fmt::format("{}: has no member '{}'; a .keras file has one", path_, name));
  return *found->second;
}

std::string KerasArchive::read_text(const std::string& name) {
  const ZipMember& member = find(name);
  if (member.bytes > kMaxTextBytes)
    throw FileError(fmt::format("{}: member '{}' has {} bytes, more than any model needs", path_, name, member.bytes));
  std::string text(static_cast<size_t>(member.bytes) + 1, '\0');  // 1 more, so that the end is seen
  zip_->open(member);
  text.resize(zip_->read(std::as_writable_bytes(std::span(text))));
  return text;
}

FileRange KerasArchive::open_range(const std::string& name) {
  const ZipMember& member = find(name);
  const uint64_t offset = zip_->open(member);
  if (!member.stored) {
    if (temporary_ >= 0) close(temporary_);
    temporary_ = open_unnamed_file(fmt::format("'{}'", name));
  }
  // Stored or not, all of it is read: for the checksum.
  std::vector<std::byte> block(kBlock);
  for (uint64_t done = 0, got = block.size(); got == block.size(); done += got) {
    got = zip_->read(block);
    if (member.stored) continue;
    if (const int error = write_at(temporary_, done, block.data(), got).error)
      throw EnvError(
          fmt::format("{}: cannot unpack '{}' into a temporary file: {}; set TMPDIR to a folder with room", path_, name, strerror(error)));
  }
  return member.stored ? FileRange{fd_, offset, member.bytes} : FileRange{temporary_, 0, member.bytes};
}

}  // namespace dl
