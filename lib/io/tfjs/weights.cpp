#include "io/tfjs/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "tensor/cast.h"

namespace dl::tfjs {
namespace {

using spec::Node;

constexpr size_t kMaxFiles = 100'000;

std::string text_of(const Node* node) { return node && node->is_string() ? node->as_string() : std::string(); }

const std::vector<Node>& list_in(const Node& map, const char* key, const std::string& place) {
  const Node* list = map.find(key);
  if (!list || !list->is_list()) throw FileError(fmt::format("{}: has no list '{}'", place, key));
  return list->items();
}

struct Reader {
  const Node& node;
  std::string place;

  FileError bad(const std::string& what) const { return FileError(fmt::format("{}: {}", place, what)); }

  DType dtype() const {
    const std::string name = text_of(node.find("dtype"));
    if (name == "float32") return DType::kFloat32;
    if (name == "int32") return DType::kInt32;
    if (name == "bool") return DType::kBool;
    if (name == "uint8") return DType::kUInt8;
    throw bad(fmt::format("its type '{}' is not supported; known are float32, int32, uint8 and bool", name));
  }

  Dims dims() const {
    const Node* shape = node.find("shape");
    if (!shape || !shape->is_list()) throw bad("has no shape");
    Dims dims;
    for (const Node& size : shape->items()) {
      if (size.kind() != spec::Kind::kInt || size.as_int() < 0) throw bad("its shape holds something else than sizes");
      dims.push_back(size.as_int());
    }
    return dims;
  }

  double number(const Node& map, const char* key) const {
    const Node* value = map.find(key);
    if (!value || !value->is_number()) throw bad(fmt::format("its quantization has no number '{}'", key));
    return value->as_double();
  }

  void quantization(WeightEntry& entry) const {
    const Node* given = node.find("quantization");
    if (!given || given->is_null()) return;
    const std::string name = text_of(given->find("dtype"));
    if (name == "float16" && entry.dtype == DType::kFloat32) {
      entry.quantization = Quantization::kFloat16;
      return;
    }
    if (name != "uint8" && name != "uint16")
      throw bad(fmt::format("its quantization '{}' of {} is not known; TF.js has uint8, uint16 and, for float32, float16", name,
                            name_of(entry.dtype)));
    if (entry.dtype != DType::kFloat32 && entry.dtype != DType::kInt32)
      throw bad(fmt::format("is quantized, which is for float32 and int32, not {}", name_of(entry.dtype)));
    entry.quantization = name == "uint8" ? Quantization::kUint8 : Quantization::kUint16;
    entry.min = number(*given, "min");
    entry.scale = number(*given, "scale");
  }
};

size_t stored_bytes(const WeightEntry& entry) {
  switch (entry.quantization) {
    case Quantization::kUint8:
      return 1;
    case Quantization::kUint16:
    case Quantization::kFloat16:
      return 2;
    case Quantization::kNone:
      break;
  }
  return size_of(entry.dtype);
}

template <class Q>
Tensor restore(const WeightEntry& entry, const std::vector<Q>& stored) {
  Tensor tensor(entry.dtype, entry.dims);
  for (size_t i = 0; i < stored.size(); ++i) {
    const double value = static_cast<double>(stored[i]) * entry.scale + entry.min;
    // JavaScript's Math.round: halves go up.
    tensor.set(static_cast<int64_t>(i), entry.dtype == DType::kInt32 ? std::floor(value + 0.5) : value);
  }
  return tensor;
}

}  // namespace

StoredWeights::StoredWeights(const Node& manifest, const std::string& folder, std::string file) : file_(std::move(file)) {
  if (!manifest.is_list()) throw FileError(file_ + ": weightsManifest is not a list");
  for (const Node& group : manifest.items()) add_group(group, folder);
  std::set<std::string_view> names;
  for (const WeightEntry& entry : entries_)
    if (!names.insert(entry.name).second) throw FileError(fmt::format("{}: weight '{}': is listed twice", file_, entry.name));
}

void StoredWeights::add_group(const Node& node, const std::string& folder) {
  const std::string place = file_ + ": weightsManifest";
  const std::vector<Node>&paths = list_in(node, "paths", place), &weights = list_in(node, "weights", place);
  if (paths.size() > kMaxFiles) throw FileError(fmt::format("{}: names {} files", place, paths.size()));
  uint64_t needed = 0;
  for (const Node& weight : weights) {
    WeightEntry entry;
    entry.name = text_of(weight.find("name"));
    if (entry.name.empty()) throw FileError(place + ": has a weight without a name");
    const Reader reader{weight, fmt::format("{}: weight '{}'", file_, entry.name.substr(0, 200))};
    entry.dtype = reader.dtype();
    entry.dims = reader.dims();
    reader.quantization(entry);
    entry.group = groups_.size();
    entry.offset = needed;
    entry.bytes = stored_bytes(entry);
    for (const int64_t size : entry.dims)
      if (__builtin_mul_overflow(entry.bytes, static_cast<uint64_t>(size), &entry.bytes)) throw reader.bad("its shape is too large");
    if (__builtin_add_overflow(needed, entry.bytes, &needed)) throw reader.bad("its shape is too large");
    if (text_of(weight.find("group")) != "optimizer") entries_.push_back(std::move(entry));
  }
  Group group;
  for (const Node& path : paths) {
    group.files.emplace_back(folder, text_of(&path), place);
    group.begins.push_back(group.bytes);
    group.bytes += group.files.back().size();
  }
  if (group.bytes != needed)
    throw FileError(fmt::format("{}: its weights have {} bytes, the {} files for them {}; files are damaged or missing", place, needed,
                                paths.size(), group.bytes));
  groups_.push_back(std::move(group));
}

void StoredWeights::read_bytes(const Group& group, uint64_t offset, void* to, size_t bytes) const {
  auto* target = static_cast<char*>(to);
  size_t at = static_cast<size_t>(std::upper_bound(group.begins.begin(), group.begins.end(), offset) - group.begins.begin()) - 1;
  for (size_t done = 0; done < bytes; ++at) {
    const uint64_t begin = offset + done - group.begins[at];
    const size_t part = static_cast<size_t>(std::min<uint64_t>(group.files[at].size() - begin, bytes - done));
    group.files[at].read(begin, target + done, part);
    done += part;
  }
}

Tensor StoredWeights::read(const WeightEntry& entry) const {
  const Group& group = groups_[entry.group];
  const auto load = [&](auto& stored) {
    stored.resize(entry.bytes / sizeof stored[0]);
    if (!stored.empty()) read_bytes(group, entry.offset, stored.data(), entry.bytes);
  };
  switch (entry.quantization) {
    case Quantization::kUint8: {
      std::vector<uint8_t> stored;
      load(stored);
      return restore(entry, stored);
    }
    case Quantization::kUint16: {
      std::vector<uint16_t> stored;
      load(stored);
      return restore(entry, stored);
    }
    case Quantization::kFloat16:
    case Quantization::kNone:
      break;
  }
  const DType stored = entry.quantization == Quantization::kFloat16 ? DType::kFloat16 : entry.dtype;
  Tensor tensor = from_pieces(stored, entry.dims, entry.dtype,
                              [&](uint64_t offset, void* bytes, size_t count) { read_bytes(group, entry.offset + offset, bytes, count); });
  if (tensor.dtype() == DType::kBool) {  // any byte but 0 is true, a C++ bool has to be 0 or 1
    auto* bytes = static_cast<uint8_t*>(tensor.raw());
    for (int64_t i = 0; i < tensor.size(); ++i) bytes[i] = bytes[i] != 0;
  }
  return tensor;
}

}  // namespace dl::tfjs
