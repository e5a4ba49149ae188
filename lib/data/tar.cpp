#include "data/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/positional_io.h"
#include "data/file.h"

namespace dl {
namespace {

constexpr size_t kBlockBytes = size_t{1} << 16;
// What a small compressed archive may become: more is taken for a bomb.
constexpr int64_t kMaxRatio = 1000, kFreeBytes = int64_t{1} << 30;

struct FreeArchive {
  void operator()(struct archive* a) const { archive_read_free(a); }
};

class TarScan {
 public:
  TarScan(const std::string& path, Spill& spill)
      : name_(path == "-" ? "standard input" : printable(path)),
        spill_(spill),
        fd_(path == "-" ? STDIN_FILENO : open_regular(path)),
        close_(fd_),
        archive_(archive_read_new()) {
    struct stat info;
    if (path != "-" && ::fstat(fd_, &info) == 0) file_bytes_ = info.st_size;
    if (file_bytes_ == 0) throw FileError(name_ + ": an empty file; expected a tar archive");
    archive_read_support_filter_gzip(archive_.get());
    archive_read_support_filter_zstd(archive_.get());
    archive_read_support_format_tar(archive_.get());
    // Names are bytes: the locale of the process must not matter.
    archive_read_set_format_option(archive_.get(), "tar", "hdrcharset", "BINARY");
    check(archive_read_open_fd(archive_.get(), fd_, kBlockBytes));
  }

  void run(const std::function<TarUse(const std::string&)>& use, const std::function<void(TarMember&&)>& found) {
    std::optional<TarMember> waiting;  // its offset is known when the header after it is
    for (;;) {
      archive_entry* entry = nullptr;
      const int status = archive_read_next_header(archive_.get(), &entry);
      if (status != ARCHIVE_EOF) check(status);
      if (waiting) {
        waiting->offset = archive_read_header_position(archive_.get()) - (waiting->size + 511) / 512 * 512;
        if (waiting->offset < 0 || waiting->offset + waiting->size > *file_bytes_)
          fail(fmt::format("member '{}' of {} bytes goes past the end; the archive is truncated", printable(waiting->name), waiting->size));
        found(std::move(*waiting));
        waiting.reset();
      }
      if (status == ARCHIVE_EOF) break;
      TarMember member;
      if (!describe(entry, member)) continue;
      const TarUse how = use(member.name);
      if (how == TarUse::kSkip) continue;
      if (archive_entry_sparse_count(entry) > 0) fail(fmt::format("member '{}' is sparse, which is not read", printable(member.name)));
      if (how == TarUse::kRead) {
        read(member);
      } else if (!file_bytes_ || archive_filter_code(archive_.get(), 0) != ARCHIVE_FILTER_NONE) {
        copy(member);
      } else {
        waiting = std::move(member);
        continue;
      }
      found(std::move(member));
    }
    check_end();
  }

 private:
  [[noreturn]] void fail(const std::string& message) const { throw FileError(fmt::format("{}: {}", name_, message)); }

  void check(int status) const {
    if (status == ARCHIVE_OK || status == ARCHIVE_WARN) return;
    const char* text = archive_error_string(archive_.get());
    fail(fmt::format("not a sound tar archive, or truncated, near byte {}: {}", archive_filter_bytes(archive_.get(), 0),
                     text ? printable(text) : "unknown error"));
  }

  // False: not a regular file.
  bool describe(archive_entry* entry, TarMember& member) const {
    if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) || archive_entry_symlink(entry)) return false;
    const char* name = archive_entry_pathname(entry);
    if (!name) fail(fmt::format("a member without a readable name near byte {}", archive_filter_bytes(archive_.get(), 0)));
    member.name = name;
    member.size = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : 0;
    if (member.size < 0 || (file_bytes_ && archive_filter_code(archive_.get(), 0) == ARCHIVE_FILTER_NONE && member.size > *file_bytes_))
      fail(fmt::format("member '{}' claims {} bytes, more than the archive has", printable(name), member.size));
    return true;
  }

  // Each piece of the current member's data.
  template <class F>
  void pieces(const TarMember& member, F f) {
    int64_t done = 0;
    for (;;) {
      const void* data = nullptr;
      size_t size = 0;
      la_int64_t offset = 0;
      const int status = archive_read_data_block(archive_.get(), &data, &size, &offset);
      if (status == ARCHIVE_EOF) break;
      check(status);
      done += static_cast<int64_t>(size);
      f(std::span(static_cast<const std::byte*>(data), size));
      const int64_t in = archive_filter_bytes(archive_.get(), -1), out = archive_filter_bytes(archive_.get(), 0);
      if (out > kFreeBytes && out / kMaxRatio > in)
        fail(fmt::format("inflates to more than {} times its size; it looks like a bomb", kMaxRatio));
    }
    if (done != member.size)
      fail(
          fmt::format("member '{}' has {} bytes, its header says {}; the archive is truncated", printable(member.name), done, member.size));
  }

  void read(TarMember& member) {
    if (member.size > kMaxTextMember)
      fail(fmt::format("member '{}' has {} bytes; at most {} are read here", printable(member.name), member.size, kMaxTextMember));
    pieces(member, [&](std::span<const std::byte> piece) { member.bytes.insert(member.bytes.end(), piece.begin(), piece.end()); });
  }

  void copy(TarMember& member) {
    member.spilled = true;
    member.offset = spill_.size();
    pieces(member, [&](std::span<const std::byte> piece) { spill_.append(piece); });
  }

  // An archive cut off between two members reads like a whole one; what tells them apart is the block of zeros at the end.
  void check_end() const {
    if (!file_bytes_ || archive_filter_code(archive_.get(), 0) != ARCHIVE_FILTER_NONE) return;
    std::array<std::byte, 512> last;
    const uint64_t at = static_cast<uint64_t>(std::max<int64_t>(*file_bytes_ - 512, 0));
    const Transfer read = read_at(fd_, at, last.data(), last.size());
    if (read.error != 0) throw_file_error(name_, "cannot read", read.error);
    const bool zeros = read.bytes == last.size() && std::all_of(last.begin(), last.end(), [](std::byte b) { return b == std::byte{0}; });
    if (!zeros) fail("no end mark (blocks of zeros) at the end; the archive is truncated");
  }

  std::string name_;
  Spill& spill_;
  int fd_;
  CloseFd close_;
  std::unique_ptr<struct archive, FreeArchive> archive_;
  std::optional<int64_t> file_bytes_;  // absent for standard input
};

}  // namespace

void scan_tar(const std::string& path, Spill& spill, const std::function<TarUse(const std::string&)>& use,
              const std::function<void(TarMember&&)>& found) {
  TarScan(path, spill).run(use, found);
}

}  // namespace dl
