#include "zip/zip_reader.h"

#include <fmt/format.h>
#include <minizip/unzip.h>
#include <sys/stat.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <set>
#include <string_view>

#include "base/error.h"
#include "base/positional_io.h"
#include "base/utf8.h"

namespace dl {
namespace {

constexpr uint64_t kMaxMembers = 65'536;
constexpr uint64_t kMaxRatio = 1100;  // deflate gets to 1032
constexpr uint16_t kEncrypted = 1;    // flag of a member
constexpr uint64_t kEndRecordBytes = 22;
constexpr size_t kMaxRead = size_t{1} << 20;

// What minizip reads from: a file or memory, and the position in it.
struct Input {
  int fd = -1;
  std::span<const std::byte> memory;
  uint64_t size = 0, position = 0;
  bool failed = false;
};

Input& input_of(void* stream) { return *static_cast<Input*>(stream); }

void* open_input(void* opaque, const void*, int) { return opaque; }

uLong read_input(void*, void* stream, void* to, uLong count) {
  Input& input = input_of(stream);
  const size_t bytes = static_cast<size_t>(std::min<uint64_t>(count, input.size - std::min(input.position, input.size)));
  size_t got = bytes;
  if (input.fd < 0) {
    if (bytes > 0) std::memcpy(to, input.memory.data() + input.position, bytes);
  } else {
    got = read_at(input.fd, input.position, to, bytes).bytes;
  }
  input.failed = input.failed || got < count;  // minizip takes the end of the file for zeros unless there was an error
  input.position += got;
  return static_cast<uLong>(got);
}

uLong refuse_write(void*, void*, const void*, uLong) { return 0; }
ZPOS64_T tell_input(void*, void* stream) { return input_of(stream).position; }

long seek_input(void*, void* stream, ZPOS64_T offset, int origin) {
  Input& input = input_of(stream);
  const uint64_t base = origin == ZLIB_FILEFUNC_SEEK_CUR ? input.position : origin == ZLIB_FILEFUNC_SEEK_END ? input.size : 0;
  if (offset > std::numeric_limits<uint64_t>::max() - base) return -1;
  input.position = base + offset;
  return 0;
}

int close_input(void*, void*) { return 0; }
int error_of_input(void*, void* stream) { return input_of(stream).failed ? 1 : 0; }

}  // namespace

struct ZipReader::State {
  Input input;
  unzFile zip = nullptr;
  const ZipMember* member = nullptr;  // the one that was opened last
  uint64_t done = 0;                  // bytes of it that were read
  bool ended = false;

  ~State() {
    if (zip) unzClose(zip);
  }
};

ZipReader::ZipReader(int fd, std::string name) : name_(std::move(name)), state_(std::make_unique<State>()) {
  struct stat status {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) throw FileError(name_ + ": is no regular file");
  state_->input.fd = fd;
  state_->input.size = static_cast<uint64_t>(status.st_size);
  list_members();
}

ZipReader::ZipReader(std::span<const std::byte> bytes, std::string name) : name_(std::move(name)), state_(std::make_unique<State>()) {
  state_->input.memory = bytes;
  state_->input.size = bytes.size();
  list_members();
}

ZipReader::~ZipReader() = default;

void ZipReader::list_members() {
  // minizip takes an archive that is only an end record, of no members, for none.
  constexpr std::string_view kEndRecord = "PK\x05\x06";
  std::string head(kEndRecord.size(), '\0');
  head.resize(read_input(nullptr, &state_->input, head.data(), head.size()));
  if (head == kEndRecord && state_->input.size == kEndRecordBytes) return;
  zlib_filefunc64_def functions{open_input, read_input, refuse_write, tell_input, seek_input, close_input, error_of_input, &state_->input};
  state_->zip = unzOpen2_64(name_.c_str(), &functions);
  const auto damaged = [&] { throw FileError(name_ + ": is no zip file, or it is damaged or cut short"); };
  if (!state_->zip) damaged();
  unz_global_info64 all{};
  if (unzGetGlobalInfo64(state_->zip, &all) != UNZ_OK) damaged();
  if (all.number_entry > kMaxMembers)
    throw FileError(fmt::format("{}: has {} members; at most {} are read", name_, all.number_entry, kMaxMembers));
  std::set<std::string> seen;
  for (uint64_t i = 0; i < all.number_entry; ++i) {
    unz_file_info64 info{};
    unz64_file_pos place{};
    if ((i == 0 ? unzGoToFirstFile(state_->zip) : unzGoToNextFile(state_->zip)) != UNZ_OK ||
        unzGetFilePos64(state_->zip, &place) != UNZ_OK ||
        unzGetCurrentFileInfo64(state_->zip, &info, nullptr, 0, nullptr, 0, nullptr, 0) != UNZ_OK)
      damaged();
    ZipMember member{std::string(info.size_filename, '\0'), info.uncompressed_size, info.compression_method == 0,
                     place.pos_in_zip_directory, place.num_of_file};
    if (unzGetCurrentFileInfo64(state_->zip, &info, member.name.data(), info.size_filename, nullptr, 0, nullptr, 0) != UNZ_OK) damaged();
    const auto refuse = [&](const std::string& why) {
      throw FileError(fmt::format("{}: member '{}' {}", name_, printable(member.name), why));
    };
    if (member.name.empty() || member.name.find('\0') != std::string::npos) damaged();
    if (!seen.insert(member.name).second) refuse("is there twice: refused");
    if (info.flag & kEncrypted) refuse("is encrypted, which is not read; save it without");
    if (!member.stored && info.compression_method != Z_DEFLATED) refuse("is packed by a method other than deflate, which is not read");
    if (member.stored ? member.bytes != info.compressed_size : member.bytes / kMaxRatio > info.compressed_size)
      refuse(fmt::format("would unpack from {} to {} bytes: refused", info.compressed_size, member.bytes));
    members_.push_back(std::move(member));
  }
}

void ZipReader::fail_at_member(const std::string& problem) const {
  throw FileError(fmt::format("{}: member '{}' {}", name_, printable(state_->member->name), problem));
}

uint64_t ZipReader::open(const ZipMember& member) {
  state_->member = &member;
  state_->done = 0;
  state_->ended = false;
  const unz64_file_pos place{member.row, member.index};
  // Compares the member's own header with its row of the directory, and closes the member before.
  if (unzGoToFilePos64(state_->zip, &place) != UNZ_OK || unzOpenCurrentFile(state_->zip) != UNZ_OK)
    fail_at_member("is damaged: it does not lie where the archive says");
  return unzGetCurrentFileZStreamPos64(state_->zip);
}

size_t ZipReader::read(std::span<std::byte> into) {
  size_t done = 0;
  while (done < into.size() && !state_->ended) {
    const size_t want = std::min(into.size() - done, kMaxRead);
    const int got = unzReadCurrentFile(state_->zip, into.data() + done, static_cast<unsigned>(want));
    if (got < 0) fail_at_member("is damaged: its data cannot be unpacked");
    done += static_cast<size_t>(got);
    state_->done += static_cast<size_t>(got);
    if (got > 0) continue;
    state_->ended = true;
    if (unzCloseCurrentFile(state_->zip) != UNZ_OK || state_->done != state_->member->bytes)
      fail_at_member("is damaged: its checksum or its length is wrong");
  }
  return done;
}

}  // namespace dl
