#include "io/keras/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <cstdlib>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/positional_io.h"
#include "base/unnamed_file.h"

namespace dl {
namespace {

constexpr int64_t kMaxMembers = 10'000;
constexpr uint64_t kMaxTextBytes = uint64_t{64} << 20;
constexpr uint64_t kAlwaysFine = uint64_t{64} << 20;  // bytes of a member whatever its packed size
constexpr uint64_t kMaxRatio = 1100;                  // deflate gets to 1032
constexpr size_t kBlock = size_t{1} << 20;

struct CloseFile {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

uint32_t little(const unsigned char* p, int bytes) {
  uint32_t value = 0;
  for (int i = bytes; i-- > 0;) value = value << 8 | p[i];
  return value;
}
uint64_t little64(const unsigned char* p) { return little(p, 4) | static_cast<uint64_t>(little(p + 4, 4)) << 32; }

bool is_asset(const std::string& name) { return name.starts_with("assets/"); }

}  // namespace

KerasArchive::KerasArchive(const std::string& path) : path_(path) {
  fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd_ < 0) throw EnvError(fmt::format("{}: cannot be opened: {}", path, strerror(errno)));
  try {
    struct stat status {};
    if (fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) throw FileError(path + ": is no regular file");
    const int copy = dup(fd_);
    int error = 0;
    zip_ = copy >= 0 ? zip_fdopen(copy, ZIP_CHECKCONS, &error) : nullptr;
    if (!zip_) {
      if (copy >= 0) close(copy);
      throw FileError(fmt::format("{}: is no zip file, or it is damaged or cut short; a .keras file is one", path));
    }
    list_members();
  } catch (...) {
    if (zip_) zip_discard(zip_);
    close(fd_);
    throw;
  }
}

KerasArchive::~KerasArchive() {
  zip_discard(zip_);
  close(fd_);
  if (temporary_ >= 0) close(temporary_);
}

void KerasArchive::list_members() {
  const int64_t count = zip_get_num_entries(zip_, 0);
  if (count > kMaxMembers) throw FileError(fmt::format("{}: has {} members, a .keras file has a few", path_, count));
  for (int64_t i = 0; i < count; ++i) {
    zip_stat_t status;
    zip_stat_init(&status);
    constexpr uint64_t kNeeded = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(zip_, static_cast<uint64_t>(i), 0, &status) != 0 || (status.valid & kNeeded) != kNeeded)
      throw FileError(fmt::format("{}: member {} is damaged", path_, i));
    const std::string name = status.name;
    const auto refuse = [&](const std::string& why) { throw FileError(fmt::format("{}: member '{}': {}", path_, name, why)); };
    if ((status.valid & ZIP_STAT_ENCRYPTION_METHOD) && status.encryption_method != ZIP_EM_NONE)
      refuse("is encrypted; save the model without");
    if (status.comp_method != ZIP_CM_STORE && status.comp_method != ZIP_CM_DEFLATE) refuse("is packed by a method other than deflate");
    if (name.empty() || name[0] == '/' || name.find('\\') != std::string::npos || name == ".." || name.starts_with("../") ||
        name.find("/../") != std::string::npos || name.ends_with("/.."))
      refuse("has a name that leads out of the archive: refused");
    const Member member{static_cast<uint64_t>(i), status.size, status.comp_size, status.comp_method == ZIP_CM_STORE};
    if (!members_.emplace(name, member).second) refuse("is there twice: refused");
    if (!is_asset(name)) check_member(name, member);
  }
}

void KerasArchive::check_member(const std::string& name, const Member& member) const {
  if (member.bytes > kAlwaysFine && member.bytes / kMaxRatio > member.packed)
    throw FileError(fmt::format("{}: member '{}': would unpack from {} to {} bytes: refused", path_, name, member.packed, member.bytes));
}

void KerasArchive::read_member(const std::string& name, const Member& member, bool (*use)(void*, const char*, size_t), void* state) const {
  const std::unique_ptr<zip_file_t, CloseFile> file(zip_fopen_index(zip_, member.index, 0));
  const auto damaged = [&] {
    throw FileError(fmt::format("{}: member '{}' is damaged: its checksum or its length is wrong", path_, name));
  };
  if (!file) damaged();
  std::vector<char> block(kBlock);
  uint64_t total = 0;
  for (;;) {
    const int64_t got = zip_fread(file.get(), block.data(), block.size());
    if (got < 0) damaged();
    if (got == 0) break;
    total += static_cast<uint64_t>(got);
    if (total > member.bytes) damaged();
    if (!use(state, block.data(), static_cast<size_t>(got))) return;
  }
  if (total != member.bytes) damaged();
}

std::string KerasArchive::read_text(const std::string& member) const {
  const auto found = members_.find(member);
  if (found == members_.end()) throw FileError(fmt::format("{}: has no member '{}'; a .keras file has one", path_, member));
  if (found->second.bytes > kMaxTextBytes)
    throw FileError(fmt::format("{}: member '{}': has {} bytes, more than any model needs", path_, member, found->second.bytes));
  std::string text;
  read_member(
      member, found->second,
      [](void* state, const char* bytes, size_t count) {
        static_cast<std::string*>(state)->append(bytes, count);
        return true;
      },
      &text);
  return text;
}

FileRange KerasArchive::open_range(const std::string& member) {
  const auto found = members_.find(member);
  if (found == members_.end()) throw FileError(fmt::format("{}: has no member '{}'; a .keras file has one", path_, member));
  const Member& m = found->second;
  if (m.stored) {
    // One pass for the checksum.
    read_member(
        member, m, [](void*, const char*, size_t) { return true; }, nullptr);
    return {fd_, find_data(member, m), m.bytes};
  }
  if (temporary_ >= 0) close(temporary_);
  temporary_ = open_unnamed_file(fmt::format("'{}'", member));
  struct Copy {
    int fd;
    uint64_t bytes = 0;
    int error = 0;
  } copy{temporary_};
  read_member(
      member, m,
      [](void* state, const char* bytes, size_t count) {
        Copy& to = *static_cast<Copy*>(state);
        to.error = write_at(to.fd, to.bytes, bytes, count).error;
        to.bytes += count;
        return to.error == 0;
      },
      &copy);
  if (copy.error != 0)
    throw EnvError(fmt::format("{}: cannot unpack '{}' into a temporary file: {}; set TMPDIR to a folder with room", path_, member,
                               strerror(copy.error)));
  return {temporary_, 0, m.bytes};
}

// libzip does not say where a member lies, so its row of the central directory is looked up again.
uint64_t KerasArchive::find_data(const std::string& name, const Member& member) const {
  const auto damaged = [&] {
    throw FileError(fmt::format("{}: member '{}' is damaged: it does not lie where the archive says", path_, name));
  };
  const auto read = [&](uint64_t offset, size_t count) {
    std::vector<unsigned char> bytes(count);
    if (read_at(fd_, offset, bytes.data(), count).bytes < count) damaged();
    return bytes;
  };
  struct stat status {};
  fstat(fd_, &status);
  const uint64_t size = static_cast<uint64_t>(status.st_size), tail_bytes = std::min<uint64_t>(size, 65535 + 22);
  const std::vector<unsigned char> tail = read(size - tail_bytes, tail_bytes);
  std::optional<size_t> end;
  for (size_t i = tail.size() < 22 ? 0 : tail.size() - 22 + 1; i-- > 0 && !end;)
    if (little(&tail[i], 4) == 0x06054b50 && i + 22 + little(&tail[i + 20], 2) == tail.size()) end = i;
  if (!end) damaged();
  uint64_t directory_bytes = little(&tail[*end + 12], 4), directory = little(&tail[*end + 16], 4);
  if (directory == 0xffffffff || directory_bytes == 0xffffffff || little(&tail[*end + 10], 2) == 0xffff) {
    if (*end < 20 || little(&tail[*end - 20], 4) != 0x07064b50) damaged();
    const std::vector<unsigned char> record = read(little64(&tail[*end - 20 + 8]), 56);
    if (little(record.data(), 4) != 0x06064b50) damaged();
    directory_bytes = little64(&record[40]);
    directory = little64(&record[48]);
  }
  if (directory_bytes > (uint64_t{64} << 20) || directory > size || directory_bytes > size - directory) damaged();
  const std::vector<unsigned char> rows = read(directory, directory_bytes);
  for (size_t at = 0; at + 46 <= rows.size();) {
    const unsigned char* row = &rows[at];
    if (little(row, 4) != 0x02014b50) damaged();
    const size_t name_bytes = little(row + 28, 2), extra_bytes = little(row + 30, 2), comment_bytes = little(row + 32, 2);
    if (at + 46 + name_bytes + extra_bytes + comment_bytes > rows.size()) damaged();
    if (std::string_view(reinterpret_cast<const char*>(row + 46), name_bytes) == name) {
      uint64_t offset = little(row + 42, 4);
      if (offset == 0xffffffff) {
        // The ZIP64 field holds those of (size, packed size, offset) that did not fit.
        const size_t skip = (little(row + 24, 4) == 0xffffffff ? 8U : 0U) + (little(row + 20, 4) == 0xffffffff ? 8U : 0U);
        const unsigned char *extra = row + 46 + name_bytes, *extra_end = extra + extra_bytes;
        bool found = false;
        while (extra_end - extra >= 4 && !found) {
          const size_t bytes = little(extra + 2, 2);
          if (static_cast<size_t>(extra_end - extra) < 4 + bytes) damaged();
          if (little(extra, 2) == 1 && bytes >= skip + 8) {
            offset = little64(extra + 4 + skip);
            found = true;
          }
          extra += 4 + bytes;
        }
        if (!found) damaged();
      }
      if (offset > size || size - offset < 30) damaged();
      const std::vector<unsigned char> header = read(offset, 30);
      if (little(header.data(), 4) != 0x04034b50) damaged();
      const uint64_t data = offset + 30 + little(&header[26], 2) + little(&header[28], 2);
      if (data > size || member.bytes > size - data) damaged();
      return data;
    }
    at += 46 + name_bytes + extra_bytes + comment_bytes;
  }
  damaged();
  return 0;
}

}  // namespace dl
