#include "ckpt/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/working_file.h"
#include "ckpt/index.h"
#include "ckpt/seal.h"
#include "hdf5/hdf5_output.h"

namespace dl {
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) text.replace(at, from.size(), to);
}

// One step of a path. HDF5 takes "." and empty steps as nothing, and '/' always parts; "%" alone stands for an empty step.
std::string encode_step(std::string step) {
  if (step.empty()) return "%";
  if (step == ".") return "%2E";
  replace_all(step, "%", "%25");
  replace_all(step, "/", "%2F");
  return step;
}

std::string encode_path(std::string_view name) {
  std::string result;
  for (;;) {
    const size_t slash = name.find('/');
    result += encode_step(std::string(name.substr(0, slash)));
    if (slash == std::string_view::npos) return result;
    result += '/';
    name.remove_prefix(slash + 1);
  }
}

// Where a parameter lies in the HDF5 file. A name below another parameter, "dense/kernel/adam_m" below "dense/kernel", goes to
// /slots/adam_m/dense/kernel. The outermost such parameter counts, so no dataset of /slots lies below another either.
std::string path_of(const std::string& name, const std::map<std::string, Tensor>& parameters) {
  for (size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
    const std::string owner = name.substr(0, slash);
    if (parameters.contains(owner)) return fmt::format("slots/{}/{}", encode_step(name.substr(slash + 1)), encode_path(owner));
  }
  return "parameters/" + encode_path(name);
}

void check_name(const std::string& name) { DL_CHECK(name.find('\0') == std::string::npos, "checkpoint: a name holds a NUL character"); }

void write_contents(const Checkpoint& checkpoint, Hdf5Output& output, std::vector<IndexEntry>& index) {
  for (const auto& [name, tensor] : checkpoint.parameters) {
    check_name(name);
    const uint32_t crc = crc32c(tensor.raw(), tensor.bytes());
    const std::string path = path_of(name, checkpoint.parameters);
    index.push_back({"parameter", tensor.dtype(), tensor.dims(), output.add_dataset(path, tensor), crc, name});
    output.set_number(path, "crc32c", crc);
  }
  const auto add_text = [&](const char* kind, const std::string& name, const std::string& path, const std::string& text) {
    check_name(name);
    index.push_back({kind, DType::kUInt8, {static_cast<int64_t>(text.size())}, output.add_text(path, text), crc32c(text), name});
  };
  add_text("text", "spec", "spec", checkpoint.spec);
  add_text("text", "state", "state", checkpoint.state);
  for (const auto& [name, text] : checkpoint.facts) add_text("fact", name, "facts/" + encode_step(name), text);
  output.set_number("", "format_version", kCheckpointVersion);
}

Tensor read_entry(const SealedFile& file, const IndexEntry& entry) {
  Tensor tensor(entry.dtype, entry.dims);
  file.read(entry.offset, tensor.bytes(), tensor.raw());
  if (crc32c(tensor.raw(), tensor.bytes()) != entry.crc) {
    throw FileError(fmt::format("{}: {}: its checksum does not fit its data", file.path(), entry.what()));
  }
  const auto* bytes = static_cast<const unsigned char*>(tensor.raw());
  if (entry.dtype == DType::kBool && std::any_of(bytes, bytes + tensor.size(), [](unsigned char b) { return b > 1; })) {
    throw FileError(fmt::format("{}: {}: holds values that are neither true nor false", file.path(), entry.what()));
  }
  return tensor;
}

std::string read_text(const SealedFile& file, const IndexEntry& entry) {
  if (entry.dtype != DType::kUInt8 || entry.dims.size() != 1) throw FileError(fmt::format("{}: {}: is no text", file.path(), entry.what()));
  const Tensor bytes = read_entry(file, entry);
  return {static_cast<const char*>(bytes.raw()), bytes.bytes()};
}

}  // namespace

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  WorkingFile file(path);
  Hdf5Output output(file.fd(), 0, path, kSealBytes);
  std::vector<IndexEntry> entries;
  write_contents(checkpoint, output, entries);
  const uint64_t end = output.close();
  const std::string index = write_index(entries);
  file.write(end, index);
  // Damage between memory and here shows all the same: tensors and texts have checksums of their own.
  uint32_t crc = 0;
  file.read_back(kSealBytes, end + index.size(), [&](std::string_view bytes) { crc = crc32c(bytes.data(), bytes.size(), crc); });
  file.write(0, make_seal(end + index.size(), end, crc));
  file.commit();
}

Checkpoint read_checkpoint(const std::string& path) {
  const SealedFile file(path);
  Checkpoint checkpoint;
  int texts = 0;
  for (const IndexEntry& entry : parse_index(file.read_index(), file.size(), path)) {
    bool fresh = true;
    if (entry.name.find('\0') != std::string::npos) throw FileError(path + ": a name holds a NUL character");
    if (entry.kind == "parameter") {
      fresh = checkpoint.parameters.emplace(entry.name, read_entry(file, entry)).second;
    } else if (entry.kind == "fact") {
      fresh = checkpoint.facts.emplace(entry.name, read_text(file, entry)).second;
    } else if (entry.kind == "text" && (entry.name == "spec" || entry.name == "state")) {
      const int bit = entry.name == "spec" ? 1 : 2;
      fresh = (texts & bit) == 0;
      texts |= bit;
      (bit == 1 ? checkpoint.spec : checkpoint.state) = read_text(file, entry);
    } else {
      throw FileError(fmt::format("{}: {}: is not known", path, entry.what()));
    }
    if (!fresh) throw FileError(fmt::format("{}: {}: is there twice", path, entry.what()));
  }
  if (texts != 3) throw FileError(path + ": has no spec or no state");
  return checkpoint;
}

bool is_checkpoint(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;  // opening a FIFO would wait
  std::ifstream file(path, std::ios::binary);
  std::string head(kSealMagic.size(), '\0');
  return file.read(head.data(), static_cast<std::streamsize>(head.size())) && head == kSealMagic;
}

}  // namespace dl
