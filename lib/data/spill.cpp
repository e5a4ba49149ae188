#include "data/spill.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/positional_io.h"
#include "base/unnamed_file.h"

namespace dl {
namespace {

constexpr size_t kPendingBytes = size_t{1} << 20;

}  // namespace

Spill::~Spill() {
  if (fd_ >= 0) ::close(fd_);
}

int64_t Spill::append(std::span<const std::byte> bytes) {
  const int64_t at = size();
  if (fd_ < 0 && memory_.size() + bytes.size() <= memory_bytes_) {
    memory_.insert(memory_.end(), bytes.begin(), bytes.end());
    return at;
  }
  if (fd_ < 0) fd_ = open_unnamed_file("the samples");
  pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  if (pending_.size() >= kPendingBytes) flush();
  return at;
}

void Spill::flush() {
  const Transfer out = write_at(fd_, static_cast<uint64_t>(written_), pending_.data(), pending_.size());
  if (out.error != 0)
    throw EnvError(fmt::format("{}: cannot write temporary samples: {}; set TMPDIR to a folder with more room", temporary_folder(),
                               std::strerror(out.error)));
  written_ += static_cast<int64_t>(out.bytes);
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
    const Transfer in = read_at(fd_, static_cast<uint64_t>(offset - kept), into.data(), n);
    if (in.error != 0) throw_file_error("temporary samples", "cannot read", in.error);
    if (in.bytes < n) throw EnvError("temporary samples: the file has become shorter");
    into = into.subspan(n);
    offset += static_cast<int64_t>(n);
  }
  if (!into.empty()) std::memcpy(into.data(), pending_.data() + (offset - kept - written_), into.size());
}

}  // namespace dl
