#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>

#include "base/error.h"
#include "data/file.h"
#include "data/npy.h"
#include "data/npy_stream.h"
#include "zip/zip_reader.h"
#include "zip/zip_writer.h"

namespace dl {
namespace {

class MemberStream : public ByteStream {
 public:
  MemberStream(ZipReader& zip, const ZipMember& member, std::string name) : ByteStream(std::move(name)), zip_(zip) { zip.open(member); }
  size_t read(std::span<std::byte> into) override { return zip_.read(into); }

 private:
  ZipReader& zip_;
};

using NamedRows = std::vector<std::pair<std::string, ArrayRows>>;

NamedRows read_members(ZipReader& zip, const std::string& name, const std::vector<std::string>& only, int64_t memory_bytes) {
  NamedRows found;
  std::set<std::string> seen;
  for (const ZipMember& member : zip.members()) {
    std::string key = member.name;
    if (!key.ends_with(".npy")) continue;
    key.resize(key.size() - 4);
    seen.insert(key);
    if (!only.empty() && std::find(only.begin(), only.end(), key) == only.end()) continue;
    MemberStream stream(zip, member, fmt::format("{}: member '{}'", name, printable(key)));
    found.emplace_back(key, read_npy_rows(stream, memory_bytes));
  }
  for (const std::string& wanted : only)
    if (!seen.contains(wanted))
      throw FileError(fmt::format("{}: no array '{}'; the file holds {}", name, printable(wanted),
                                  seen.empty() ? "none" : printable(fmt::format("{}", fmt::join(seen, ", ")))));
  return found;
}

constexpr int64_t kAllInMemory = std::numeric_limits<int64_t>::max();

NamedTensors to_tensors(NamedRows members) {
  NamedTensors tensors;
  for (auto& [key, rows] : members) tensors.emplace_back(std::move(key), rows.tensor());
  return tensors;
}

NamedRows read_bytes(std::span<const std::byte> bytes, const std::string& name, const std::vector<std::string>& only,
                     int64_t memory_bytes) {
  ZipReader zip(bytes, name);
  return read_members(zip, name, only, memory_bytes);
}

NamedRows read_path(const std::string& path, const std::vector<std::string>& only, int64_t memory_bytes) {
  if (path == "-") return read_bytes(read_file(path, int64_t{1} << 40), "standard input", only, memory_bytes);
  const int fd = open_regular(path);
  const CloseFd close(fd);
  ZipReader zip(fd, printable(path));
  return read_members(zip, printable(path), only, memory_bytes);
}

}  // namespace

NamedTensors read_npz(const std::string& path, const std::vector<std::string>& only) {
  return to_tensors(read_path(path, only, kAllInMemory));
}

NamedTensors read_npz(std::span<const std::byte> bytes, const std::string& name, const std::vector<std::string>& only) {
  return to_tensors(read_bytes(bytes, name, only, kAllInMemory));
}

std::map<std::string, ArrayRows> read_npz_rows(const std::string& path, const std::vector<std::string>& only) {
  NamedRows members = read_path(path, only, ArrayRows::kMemoryBytes);
  return {std::make_move_iterator(members.begin()), std::make_move_iterator(members.end())};
}

void write_npz(const std::string& path, const NamedTensors& tensors) {
  OutputFile file(path);
  ZipDirectory directory;
  for (const auto& [name, tensor] : tensors) {
    const std::string member = npy_bytes(tensor);
    file.write(directory.add(name + ".npy", member.size(), zip_checksum(member)));
    file.write(member);
  }
  file.write(directory.end());
  file.commit();
}

}  // namespace dl
