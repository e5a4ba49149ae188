// The format .keras: a zip file with metadata.json, config.json and model.weights.h5.
#include <fmt/format.h>

#include "base/error.h"
#include "io/format.h"
#include "io/keras/archive.h"
#include "io/keras/archive_writer.h"
#include "io/keras/export.h"
#include "io/keras/import.h"
#include "io/keras/json_node.h"
#include "io/keras/training.h"

namespace dl {
namespace {

constexpr const char *kConfig = "config.json", *kMetadata = "metadata.json", *kWeights = "model.weights.h5";

bool probe(const std::string& path, std::string_view head) {
  if (path.ends_with(".keras")) return true;
  // The name of the first member follows its header of 30 bytes.
  return head.starts_with("PK\x03\x04") && head.size() > 46 &&
         (head.substr(30).starts_with(kConfig) || head.substr(30).starts_with(kMetadata));
}

SavedModel read(const std::string& path, const ReadOptions&) {
  KerasArchive archive(path);
  const spec::Node config = parse_json(archive.read_text(kConfig), fmt::format("{}: {}", path, kConfig));
  std::string version = "3";
  std::map<std::string, std::string> facts;
  if (archive.has(kMetadata)) {
    const spec::Node metadata = parse_json(archive.read_text(kMetadata), fmt::format("{}: {}", path, kMetadata));
    if (metadata.is_map())
      for (const auto& [key, value] : metadata.entries())
        if (value.is_string()) facts[key] = value.as_string();
    if (facts.contains("keras_version")) version = facts["keras_version"];
  }
  KerasImport import = import_keras_config(config, path, keras_version_of(version));
  if (!archive.has(kWeights)) {
    const char* why = archive.has("model.weights.npz")
                          ? "its weights are in model.weights.npz, which is not read; save it with Keras's default"
                          : "a .keras file has one";
    throw FileError(fmt::format("{}: has no member '{}'; {}", path, kWeights, why));
  }
  Hdf5File weights(fmt::format("{}: {}", path, kWeights), archive.open_range(kWeights));
  read_object_weights(weights, import);
  if (const spec::Node* compile = config.find("compile_config")) read_training(*compile, import);
  read_object_slots(weights, import);
  for (auto& [key, value] : facts) import.saved.metadata[key] = std::move(value);
  read_private(weights, import.saved);
  return std::move(import.saved);
}

std::vector<std::string> unsupported(const SavedModel& saved, const WriteOptions&) {
  return write_keras_config(saved, KerasVersion::k3).problems;
}

void write(const SavedModel& saved, const std::string& path, const WriteOptions& options) {
  const KerasExport model = export_keras_model(saved, path, "keras", KerasVersion::k3, options.half);
  spec::Node config = model.config.node;
  if (const spec::Node training = write_training(saved, KerasVersion::k3, false); !training.is_null())
    config.set("compile_config", training);
  spec::Node metadata = spec::Node::map({{"keras_version", spec::Node::string(kKeras3Version)}});
  if (const auto date = saved.metadata.find("date_saved"); date != saved.metadata.end())
    metadata.set("date_saved", spec::Node::string(date->second));
  KerasArchiveWriter archive(path);
  archive.add_text(kMetadata, to_json(metadata));
  archive.add_text(kConfig, to_json(config));
  archive.add_file(kWeights, [&](int fd, uint64_t offset) {
    Hdf5Output weights(fd, offset, path);
    write_object_weights(weights, saved, model);
    if (options.optimizer) write_object_slots(weights, saved, model);
    write_private(weights, saved);
    return weights.close();
  });
  archive.finish();
}

}  // namespace

extern const Format format_keras;  // of formats.def
const Format format_keras = {
    .name = "keras",
    .summary = "Keras 3 model file",
    .suffixes = {".keras"},
    .layers_only = true,
    .probe = probe,
    .read = read,
    .unsupported = unsupported,
    .write = write,
};

}  // namespace dl
