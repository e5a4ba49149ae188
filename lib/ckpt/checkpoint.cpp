#include "ckpt/checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>

#include "base/atomic_file.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "ckpt/hdf5_file.h"
#include "ckpt/seal.h"

namespace dl {
namespace {

constexpr std::string_view kParameters = "/parameters", kSlots = "/slots", kFacts = "/facts";
constexpr int kMaxSlashes = 200;  // the reader stops at 256 groups, so that a hostile file cannot exhaust the stack

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

std::string decode_step(std::string step) {
  if (step == "%") return "";
  if (step == "%2E") return ".";
  replace_all(step, "%2F", "/");
  replace_all(step, "%25", "%");
  return step;
}

template <class Change>
std::string change_steps(std::string_view name, const Change& change) {
  std::string result;
  for (size_t begin = 0;;) {
    const size_t slash = name.find('/', begin);
    result += change(std::string(name.substr(begin, slash == std::string_view::npos ? slash : slash - begin)));
    if (slash == std::string_view::npos) return result;
    result += '/';
    begin = slash + 1;
  }
}

// Where a parameter lies in the file. A name below another parameter, "dense/kernel/adam_m" below "dense/kernel", goes to
// /slots/adam_m/dense/kernel. The outermost such parameter counts, so no dataset of /slots lies below another either.
std::string path_of(const std::string& name, const std::map<std::string, Tensor>& parameters) {
  for (size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
    const std::string owner = name.substr(0, slash);
    if (!parameters.contains(owner)) continue;
    return fmt::format("{}/{}/{}", kSlots, encode_step(name.substr(slash + 1)), change_steps(owner, encode_step));
  }
  return fmt::format("{}/{}", kParameters, change_steps(name, encode_step));
}

// The checksum over everything that has a meaning, however it is laid out.
struct ContentChecksum {
  uint32_t crc = 0;
  void add(std::string_view text) {
    const std::string length = fmt::format("{} ", text.size());  // so that the border between two texts counts
    crc = crc32c(length.data(), length.size(), crc);
    crc = crc32c(text.data(), text.size(), crc);
  }
  void add_tensor(const std::string& name, const Tensor& tensor, uint32_t data_crc) {
    add(name);
    add(fmt::format("{}{} {:08x}", name_of(tensor.dtype()), to_string(tensor.dims()), data_crc));
  }
  void add_texts(const Checkpoint& checkpoint) {
    add(checkpoint.spec);
    add(checkpoint.state);
    for (const auto& [name, text] : checkpoint.facts) {
      add(name);
      add(text);
    }
  }
};

uint32_t data_crc(const Tensor& tensor) { return crc32c(tensor.raw(), tensor.bytes()); }

size_t expected_bytes(const Checkpoint& checkpoint) {
  size_t bytes = (1 << 16) + checkpoint.spec.size() + checkpoint.state.size();
  for (const auto& [name, tensor] : checkpoint.parameters) bytes += tensor.bytes() + 1024 + 2 * name.size();
  for (const auto& [name, text] : checkpoint.facts) bytes += text.size() + 1024;
  return bytes;
}

void check_text(const std::string& text, const char* what) {
  DL_CHECK(text.find('\0') == std::string::npos, fmt::format("checkpoint: the {} holds a NUL character", what));
}

}  // namespace

void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  check_text(checkpoint.spec, "spec");
  check_text(checkpoint.state, "state");
  AtomicFile file(path);  // first, so that a folder that cannot be written is known before the work
  Hdf5Writer writer(kSealBytes, expected_bytes(checkpoint));
  ContentChecksum content;
  for (const auto& [name, tensor] : checkpoint.parameters) {
    check_text(name, "name of a parameter");
    DL_CHECK(std::count(name.begin(), name.end(), '/') <= kMaxSlashes, fmt::format("checkpoint: the name '{}' is nested too deep", name));
    const uint32_t crc = data_crc(tensor);
    writer.write_tensor(path_of(name, checkpoint.parameters), tensor, crc);
    content.add_tensor(name, tensor, crc);
  }
  writer.write_text("/spec", checkpoint.spec);
  writer.write_text("/state", checkpoint.state);
  for (const auto& [name, text] : checkpoint.facts) {
    check_text(name + text, "facts");
    writer.write_text(fmt::format("{}/{}", kFacts, encode_step(name)), text);
  }
  content.add_texts(checkpoint);
  writer.write_attribute("/", "content_crc32c", content.crc);
  writer.write_attribute("/", "format_version", kCheckpointVersion);
  const std::string_view image = writer.finish(), body = image.substr(kSealBytes);
  file.write(make_seal(image.size(), crc32c(body)));
  file.write(body);
  file.commit();
}

Checkpoint read_checkpoint(const std::string& path) {
  check_seal(path);
  const Hdf5Reader reader(path);
  Checkpoint checkpoint;
  std::map<std::string, uint32_t> checksums;
  const auto add = [&](const std::string& object, const std::string& name) {
    auto [tensor, crc] = reader.read_tensor(object);
    if (data_crc(tensor) != crc) throw FileError(fmt::format("{}: {}: its checksum does not fit its data", path, object));
    if (!checksums.emplace(name, crc).second) throw FileError(fmt::format("{}: {}: is there twice", path, object));
    checkpoint.parameters.emplace(name, std::move(tensor));
  };
  if (reader.exists(std::string(kParameters))) {
    reader.for_each_dataset(std::string(kParameters), [&](const std::string& name) {
      add(fmt::format("{}/{}", kParameters, name), change_steps(name, decode_step));
    });
  }
  if (reader.exists(std::string(kSlots))) {
    reader.for_each_dataset(std::string(kSlots), [&](const std::string& below) {
      const size_t slash = below.find('/');
      const std::string object = fmt::format("{}/{}", kSlots, below);
      if (slash == std::string::npos) throw FileError(fmt::format("{}: {}: belongs to no parameter", path, object));
      add(object, change_steps(below.substr(slash + 1), decode_step) + "/" + decode_step(below.substr(0, slash)));
    });
  }
  checkpoint.spec = reader.read_text("/spec");
  checkpoint.state = reader.read_text("/state");
  if (reader.exists(std::string(kFacts))) {
    reader.for_each_dataset(std::string(kFacts), [&](const std::string& name) {
      checkpoint.facts[decode_step(name)] = reader.read_text(fmt::format("{}/{}", kFacts, name));
    });
  }
  ContentChecksum content;
  for (const auto& [name, tensor] : checkpoint.parameters) content.add_tensor(name, tensor, checksums[name]);
  content.add_texts(checkpoint);
  if (content.crc != reader.read_attribute("/", "content_crc32c")) {
    throw FileError(path + ": is damaged: the checksum over its content does not fit");
  }
  return checkpoint;
}

bool is_checkpoint(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string head(kSealMagic.size(), '\0');
  return file.read(head.data(), static_cast<std::streamsize>(head.size())) && head == kSealMagic;
}

}  // namespace dl
