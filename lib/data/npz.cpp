#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <memory>
#include <set>

#include "base/error.h"
#include "data/file.h"
#include "data/npy.h"
#include "data/npy_stream.h"

namespace dl {
namespace {

constexpr int64_t kMaxMembers = 65'536;

struct CloseZip {
  void operator()(zip_t* zip) const { zip_discard(zip); }
};
struct CloseMember {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};
using Zip = std::unique_ptr<zip_t, CloseZip>;

class MemberStream : public ByteStream {
 public:
  MemberStream(zip_t* zip, zip_uint64_t index, std::string name) : ByteStream(std::move(name)), file_(zip_fopen_index(zip, index, 0)) {
    if (!file_) throw FileError(fmt::format("{}: cannot be read: {}", this->name(), zip_strerror(zip)));
  }
  size_t read(std::span<std::byte> into) override {
    size_t done = 0;
    while (done < into.size()) {
      const zip_int64_t n = zip_fread(file_.get(), into.data() + done, into.size() - done);
      if (n < 0) throw FileError(fmt::format("{}: damaged data: {}", name(), zip_file_strerror(file_.get())));
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

 private:
  std::unique_ptr<zip_file_t, CloseMember> file_;
};

using NamedRows = std::vector<std::pair<std::string, ArrayRows>>;

NamedRows read_members(zip_t* zip, const std::string& name, const std::vector<std::string>& only, int64_t memory_bytes) {
  const zip_int64_t members = zip_get_num_entries(zip, 0);
  if (members > kMaxMembers) throw FileError(fmt::format("{}: {} members; at most {} are read", name, members, kMaxMembers));
  NamedRows found;
  std::set<std::string> seen;
  for (zip_int64_t i = 0; i < members; ++i) {
    zip_stat_t info;
    if (zip_stat_index(zip, static_cast<zip_uint64_t>(i), 0, &info) != 0 || !(info.valid & ZIP_STAT_NAME))
      throw FileError(fmt::format("{}: damaged zip directory", name));
    std::string key = info.name;
    if (!key.ends_with(".npy")) continue;
    key.resize(key.size() - 4);
    if (!seen.insert(key).second) throw FileError(fmt::format("{}: two members are named '{}'", name, printable(key)));
    if (!only.empty() && std::find(only.begin(), only.end(), key) == only.end()) continue;
    const std::string place = fmt::format("{}: member '{}'", name, printable(key));
    if ((info.valid & ZIP_STAT_ENCRYPTION_METHOD) && info.encryption_method != ZIP_EM_NONE) throw FileError(place + " is encrypted");
    MemberStream stream(zip, static_cast<zip_uint64_t>(i), place);
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

// libzip takes an empty file for an archive; one of no arrays, for a model without inputs, has an end record.
[[noreturn]] void throw_empty(const std::string& name) { throw FileError(name + ": is empty, no .npz (zip) file"); }

[[noreturn]] void throw_not_zip(const std::string& name, int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  const std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  throw FileError(fmt::format("{}: not an .npz (zip) file: {}", name, text));
}

NamedRows read_bytes(std::span<const std::byte> bytes, const std::string& name, const std::vector<std::string>& only,
                     int64_t memory_bytes) {
  if (bytes.empty()) throw_empty(name);
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  const Zip zip(source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : nullptr);
  if (!zip) {
    const int code = zip_error_code_zip(&error);
    zip_error_fini(&error);
    if (source) zip_source_free(source);
    throw_not_zip(name, code);
  }
  return read_members(zip.get(), name, only, memory_bytes);
}

NamedRows read_path(const std::string& path, const std::vector<std::string>& only, int64_t memory_bytes) {
  if (path == "-") return read_bytes(read_file(path, int64_t{1} << 40), "standard input", only, memory_bytes);
  const int fd = open_regular(path);
  struct stat status {};
  if (fstat(fd, &status) == 0 && status.st_size == 0) {
    ::close(fd);
    throw_empty(printable(path));
  }
  int code = 0;
  const Zip zip(zip_fdopen(fd, ZIP_CHECKCONS, &code));  // owns fd from here on
  if (!zip) {
    ::close(fd);
    throw_not_zip(printable(path), code);
  }
  return read_members(zip.get(), printable(path), only, memory_bytes);
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
  // libzip writes to memory here, so that the file appears at once and goes to standard output too.
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* buffer = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_source_keep(buffer);
  const std::unique_ptr<zip_source_t, decltype(&zip_source_free)> keep(buffer, zip_source_free);
  Zip zip(zip_open_from_source(buffer, ZIP_TRUNCATE, &error));
  if (!zip) throw EnvError(fmt::format("{}: cannot create: {}", printable(path), zip_error_strerror(&error)));
  std::vector<std::string> members;
  for (const auto& [name, tensor] : tensors) members.push_back(npy_bytes(tensor));
  for (size_t i = 0; i < tensors.size(); ++i) {
    const zip_int64_t index = zip_file_add(zip.get(), (tensors[i].first + ".npy").c_str(),
                                           zip_source_buffer(zip.get(), members[i].data(), members[i].size(), 0), ZIP_FL_ENC_UTF_8);
    if (index < 0)
      throw InternalError(fmt::format("array '{}' cannot be added to {}: {}", tensors[i].first, path, zip_strerror(zip.get())));
    zip_set_file_compression(zip.get(), static_cast<zip_uint64_t>(index), ZIP_CM_STORE, 0);  // as np.savez
    zip_file_set_dostime(zip.get(), static_cast<zip_uint64_t>(index), 0, 0x21, 0);           // 1980-01-01: the same bytes every time
  }
  if (zip_close(zip.get()) != 0) throw EnvError(fmt::format("{}: cannot write: {}", printable(path), zip_strerror(zip.get())));
  (void)zip.release();  // closed above
  OutputFile file(path);
  zip_source_open(buffer);
  std::string chunk(size_t{1} << 20, '\0');
  for (zip_int64_t n; (n = zip_source_read(buffer, chunk.data(), chunk.size())) > 0;)
    file.write(std::string_view(chunk).substr(0, static_cast<size_t>(n)));
  zip_source_close(buffer);
  file.commit();
}

}  // namespace dl
