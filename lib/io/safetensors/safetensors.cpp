// safetensors: weights by name, no model (huggingface/safetensors, "Format" of its README).
// [u64 little-endian: bytes of the header][header: JSON][data]. An entry is {"dtype", "shape", "data_offsets": [begin, end]} relative to
// the data; the entries cover the data without gaps or overlaps. "__metadata__" maps strings to strings.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/positional_io.h"
#include "io/format.h"
#include "tensor/cast.h"

namespace dl {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kAlignment = 8;  // of the data, by spaces behind the header

struct TypeName {
  const char* name;
  DType dtype;
};
constexpr TypeName kTypes[] = {{"BOOL", DType::kBool},  {"U8", DType::kUInt8},    {"I8", DType::kInt8},       {"I16", DType::kInt16},
                               {"U16", DType::kUInt16}, {"F16", DType::kFloat16}, {"BF16", DType::kBFloat16}, {"I32", DType::kInt32},
                               {"U32", DType::kUInt32}, {"F32", DType::kFloat32}, {"F64", DType::kFloat64},   {"I64", DType::kInt64},
                               {"U64", DType::kUInt64}};

class InputFile {
 public:
  explicit InputFile(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (fd_ < 0) throw_file_error(path, "cannot open", errno);
    struct stat info {};
    if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
      ::close(fd_);
      throw FileError(path + ": is no regular file");
    }
    size_ = static_cast<uint64_t>(info.st_size);
  }
  ~InputFile() { ::close(fd_); }
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  uint64_t size() const { return size_; }
  void read(uint64_t offset, void* into, size_t bytes) const {
    const Transfer read = read_at(fd_, offset, into, bytes);
    if (read.error != 0) throw_file_error(path_, "cannot read", read.error);
    if (read.bytes < bytes) throw FileError(path_ + ": got shorter while it was read");
  }

 private:
  std::string path_;
  int fd_;
  uint64_t size_ = 0;
};

uint64_t header_bytes(std::string_view head) {
  uint64_t n = 0;
  for (size_t i = 8; i-- > 0;) n = n << 8 | static_cast<unsigned char>(head[i]);
  return n;
}

// Duplicate names and deep nesting are refused while parsing.
Json parse_header(const std::string& text, const std::string& path) {
  std::vector<std::string> keys;
  std::string problem;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    if (depth > 4 && problem.empty()) problem = "is nested too deeply";
    if (event == Json::parse_event_t::key && depth == 1) {
      keys.push_back(value.get<std::string>());
    }
    return problem.empty();
  };
  Json header = Json::parse(text, watch, /*allow_exceptions=*/false);
  if (problem.empty()) {
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end()) problem = fmt::format("names '{}' twice", *twice);
  }
  if (problem.empty() && !header.is_object()) problem = "is not a JSON object";
  if (!problem.empty()) throw FileError(fmt::format("{}: its header {}", path, problem));
  return header;
}

struct Entry {
  std::string name;
  DType dtype;
  Dims dims;
  uint64_t begin, end;
};

Entry parse_entry(const std::string& name, const Json& value, const std::string& path) {
  const auto bad = [&](const std::string& what) { return FileError(fmt::format("{}: tensor '{}': {}", path, name, what)); };
  const auto unsigned_list = [&](const char* key) {
    const auto found = value.is_object() ? value.find(key) : value.end();
    if (!value.is_object() || found == value.end() || !found->is_array()) throw bad(fmt::format("has no list '{}'", key));
    std::vector<uint64_t> numbers;
    for (const Json& item : *found) {
      if (!item.is_number_unsigned()) throw bad(fmt::format("'{}' holds something else than sizes", key));
      numbers.push_back(item.get<uint64_t>());
    }
    return numbers;
  };
  Entry entry{name, DType::kFloat32, {}, 0, 0};
  for (const uint64_t n : unsigned_list("shape")) {
    if (n > static_cast<uint64_t>(INT64_MAX)) throw bad("its shape is too large");
    entry.dims.push_back(static_cast<int64_t>(n));
  }
  const std::vector<uint64_t> offsets = unsigned_list("data_offsets");
  const auto dtype = value.find("dtype");
  if (dtype == value.end() || !dtype->is_string()) throw bad("has no dtype");
  const auto type = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeName& t) { return *dtype == t.name; });
  if (type == std::end(kTypes)) throw bad(fmt::format("its dtype {} is not supported", dtype->dump()));
  entry.dtype = type->dtype;
  if (offsets.size() != 2 || offsets[0] > offsets[1]) throw bad("its data_offsets are not [begin, end]");
  entry.begin = offsets[0], entry.end = offsets[1];
  uint64_t bytes = size_of(entry.dtype);
  for (const int64_t n : entry.dims)
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(n), &bytes)) throw bad("its shape is too large");
  if (bytes != entry.end - entry.begin)
    throw bad(fmt::format("has {} bytes, {}{} needs {}", entry.end - entry.begin, name_of(entry.dtype),
                          to_string(std::span<const int64_t>(entry.dims)), bytes));
  return entry;
}

SavedModel read(const std::string& path, const ReadOptions&) {
  const InputFile file(path);
  char head[8];
  if (file.size() < sizeof head) throw FileError(fmt::format("{}: has {} bytes, too few for a safetensors file", path, file.size()));
  file.read(0, head, sizeof head);
  const uint64_t length = header_bytes({head, sizeof head});
  if (length > kMaxHeader || length > file.size() - sizeof head)
    throw FileError(fmt::format("{}: its header of {} bytes does not fit a file of {} bytes", path, length, file.size()));
  std::string text(length, '\0');
  file.read(sizeof head, text.data(), text.size());
  if (!text.starts_with('{')) throw FileError(path + ": its header does not begin with {");
  const Json header = parse_header(text, path);
  SavedModel model;
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") {
      entries.push_back(parse_entry(name, value, path));
      continue;
    }
    if (!value.is_object()) throw FileError(path + ": __metadata__ is not a map");
    for (const auto& [key, item] : value.items()) {
      if (!item.is_string()) throw FileError(fmt::format("{}: __metadata__: '{}' is not a string", path, key));
      model.metadata[key] = item.get<std::string>();
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  const uint64_t data = sizeof head + length;
  uint64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != covered)
      throw FileError(fmt::format("{}: tensor '{}' begins at {} instead of {}", path, entry.name, entry.begin, covered));
    covered = entry.end;
  }
  if (covered != file.size() - data)
    throw FileError(fmt::format("{}: its tensors have {} bytes, the file {}", path, covered, file.size() - data));
  for (const Entry& entry : entries) {
    Tensor tensor(entry.dtype, entry.dims);
    file.read(data + entry.begin, tensor.raw(), tensor.bytes());
    model.weights[entry.name] = std::move(tensor);
  }
  return model;
}

void write(const SavedModel& model, const std::string& path, const WriteOptions& options) {
  Json header = Json::object(), metadata = Json::object();
  metadata["format"] = "dltool";
  for (const auto& [key, value] : model.metadata) metadata[key] = value;
  header["__metadata__"] = metadata;
  uint64_t offset = 0;
  const auto stored = [&](const Tensor& tensor) {
    return options.half && tensor.dtype() == DType::kFloat32 ? DType::kFloat16 : tensor.dtype();
  };
  for (const auto& [name, tensor] : model.weights) {
    const DType dtype = stored(tensor);
    const auto type = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeName& t) { return t.dtype == dtype; });
    const uint64_t end = offset + static_cast<uint64_t>(tensor.size()) * size_of(dtype);
    header[name] = {{"dtype", type->name}, {"shape", tensor.dims()}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  char head[8];
  for (size_t i = 0; i < sizeof head; ++i) head[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  AtomicFile file(path);
  file.write(head, sizeof head);
  file.write(text);
  for (const auto& [name, tensor] : model.weights)
    for_each_piece(tensor, stored(tensor), [&](const void* bytes, size_t count) { file.write(bytes, count); });
  file.commit();
}

}  // namespace

extern const Format format_safetensors;
const Format format_safetensors = {
    .name = "safetensors",
    .summary = "weights by name, without a model",
    .suffixes = {".safetensors"},
    .weights_only = true,
    .probe = [](const std::string& path, std::string_view) { return path.ends_with(".safetensors"); },
    .read = read,
    .write = write,
};

}  // namespace dl
