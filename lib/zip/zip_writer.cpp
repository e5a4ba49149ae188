#include "zip/zip_writer.h"

#include <zlib.h>

#include <algorithm>

namespace dl {
namespace {

constexpr uint32_t kNoRoom = 0xffffffff;  // "see the ZIP64 record"
constexpr uint16_t kNoCount = 0xffff;
constexpr uint16_t kDay = 1 << 5 | 1;  // 1980-01-01
constexpr uint16_t kUtf8Names = 1 << 11;

template <class T>
void append(std::string& out, T value) {
  for (size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i) & 0xff);
}

uint32_t cut(uint64_t value) { return static_cast<uint32_t>(std::min<uint64_t>(value, kNoRoom)); }
bool is_large(uint64_t value) { return value >= kNoRoom; }

// What local headers and rows of the directory share, from "version needed" on. `large`: sizes stand in a ZIP64 field.
std::string header_fields(const std::string& name, uint64_t bytes, uint32_t checksum, bool large, size_t extra_bytes) {
  std::string out;
  append<uint16_t>(out, large ? 45 : 20);
  append<uint16_t>(out, std::all_of(name.begin(), name.end(), [](unsigned char c) { return c < 128; }) ? 0 : kUtf8Names);
  append<uint16_t>(out, 0);  // stored
  append<uint16_t>(out, 0);
  append<uint16_t>(out, kDay);
  append<uint32_t>(out, checksum);
  append<uint32_t>(out, large ? kNoRoom : cut(bytes));
  append<uint32_t>(out, large ? kNoRoom : cut(bytes));
  append<uint16_t>(out, static_cast<uint16_t>(name.size()));
  append<uint16_t>(out, static_cast<uint16_t>(extra_bytes));
  return out;
}

// Always with room for 8-byte sizes, so that its length is known before the member's.
std::string local_header(const std::string& name, uint64_t bytes, uint32_t checksum) {
  const bool large = is_large(bytes);
  std::string extra;
  if (large) {
    append<uint16_t>(extra, 1);
    append<uint16_t>(extra, 16);
    append<uint64_t>(extra, bytes);
    append<uint64_t>(extra, bytes);
  } else {
    // Padding of the same length (an unknown field is skipped).
    append<uint16_t>(extra, 0xd935);
    append<uint16_t>(extra, 16);
    extra.append(16, '\0');
  }
  std::string out = "PK\x03\x04";
  return out + header_fields(name, bytes, checksum, large, extra.size()) + name + extra;
}

std::string directory_row(const std::string& name, uint64_t offset, uint64_t bytes, uint32_t checksum) {
  const bool large = is_large(bytes) || is_large(offset);
  std::string extra;
  if (large) {
    append<uint16_t>(extra, 1);
    append<uint16_t>(extra, 24);
    append<uint64_t>(extra, bytes);
    append<uint64_t>(extra, bytes);
    append<uint64_t>(extra, offset);
  }
  std::string out = "PK\x01\x02";
  append<uint16_t>(out, 3 << 8 | (large ? 45 : 20));  // made on Unix
  out += header_fields(name, bytes, checksum, large, extra.size());
  append<uint16_t>(out, 0);               // comment
  append<uint16_t>(out, 0);               // disk
  append<uint16_t>(out, 0);               // internal attributes
  append<uint32_t>(out, 0100644u << 16);  // permissions
  append<uint32_t>(out, large ? kNoRoom : cut(offset));
  return out + name + extra;
}

}  // namespace

uint32_t zip_checksum(std::string_view bytes, uint32_t before) {
  return static_cast<uint32_t>(crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

uint64_t ZipDirectory::header_bytes(const std::string& name) { return local_header(name, 0, 0).size(); }

std::string ZipDirectory::add(const std::string& name, uint64_t bytes, uint32_t checksum) {
  members_.push_back({name, size_, bytes, checksum});
  std::string header = local_header(name, bytes, checksum);
  size_ += header.size() + bytes;
  return header;
}

std::string ZipDirectory::end() const {
  std::string out;
  for (const Member& m : members_) out += directory_row(m.name, m.offset, m.bytes, m.checksum);
  const uint64_t directory_bytes = out.size();
  const uint16_t count = static_cast<uint16_t>(std::min<size_t>(members_.size(), kNoCount));
  if (is_large(size_) || count == kNoCount) {
    const uint64_t record = size_ + directory_bytes;
    out += "PK\x06\x06";
    append<uint64_t>(out, 44);
    append<uint16_t>(out, 3 << 8 | 45);
    append<uint16_t>(out, 45);
    append<uint32_t>(out, 0);
    append<uint32_t>(out, 0);
    append<uint64_t>(out, members_.size());
    append<uint64_t>(out, members_.size());
    append<uint64_t>(out, directory_bytes);
    append<uint64_t>(out, size_);
    out += "PK\x06\x07";
    append<uint32_t>(out, 0);
    append<uint64_t>(out, record);
    append<uint32_t>(out, 1);
  }
  out += "PK\x05\x06";
  append<uint16_t>(out, 0);
  append<uint16_t>(out, 0);
  append<uint16_t>(out, count);
  append<uint16_t>(out, count);
  append<uint32_t>(out, cut(directory_bytes));
  append<uint32_t>(out, cut(size_));
  append<uint16_t>(out, 0);
  return out;
}

void ZipWriter::add_text(const std::string& name, std::string_view text) {
  add_file(name, [&](int, uint64_t offset) {
    file_.write(offset, text);
    return text.size();
  });
}

void ZipWriter::add_file(const std::string& name, const std::function<uint64_t(int fd, uint64_t offset)>& write) {
  const uint64_t header = directory_.size(), begin = header + ZipDirectory::header_bytes(name);
  const uint64_t bytes = write(file_.fd(), begin);
  uint32_t checksum = 0;
  file_.read_back(begin, begin + bytes, [&](std::string_view block) { checksum = zip_checksum(block, checksum); });
  file_.write(header, directory_.add(name, bytes, checksum));
}

void ZipWriter::finish() {
  file_.write(directory_.size(), directory_.end());
  file_.commit();
}

}  // namespace dl
