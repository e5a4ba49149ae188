// The format .keras: a zip file with metadata.json, config.json and model.weights.h5.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "io/format.h"
#include "io/keras/archive.h"
#include "io/keras/export.h"
#include "io/keras/import.h"
#include "io/keras/json_node.h"
#include "io/keras/layer_config.h"
#include "io/keras/training.h"
#include "zip/zip_writer.h"

namespace dl {
namespace {

constexpr const char *kConfig = "config.json", *kMetadata = "metadata.json", *kWeights = "model.weights.h5";

bool probe(const std::string& path, std::string_view head) {
  if (path.ends_with(".keras")) return true;
  // The name of the first member follows its header of 30 bytes.
  return head.starts_with("PK\x03\x04") && head.size() > 46 &&
         (head.substr(30).starts_with(kConfig) || head.substr(30).starts_with(kMetadata));
}

spec::Node read_vocabulary(KerasArchive& archive, const std::string& path, const std::string& member) {
  std::vector<spec::Node> tokens;
  const std::string text = archive.read_text(member);
  for (size_t begin = 0, line = 1; begin < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    int64_t token = 0;
    const auto [rest, problem] = std::from_chars(text.data() + begin, text.data() + end, token);
    if (problem != std::errc() || rest != text.data() + end)
      throw FileError(fmt::format("{}: {}: line {} is not an integer", path, member, line));
    tokens.push_back(spec::Node::integer(token));
    begin = end + 1;
  }
  return spec::Node::list(std::move(tokens));
}

// A vocabulary that was learnt from data stands in a member of its own; here it is put where one that was given stands.
void take_vocabularies(spec::Node& model, const std::string& folder, KerasArchive& archive, const std::string& path) {
  spec::Node *config = model.find("config"), *layers = config ? config->find("layers") : nullptr;
  if (!layers || !layers->is_list()) return;
  std::map<std::string, int> counts;
  for (spec::Node& layer : layers->items()) {
    const spec::Node* name = layer.find("class_name");
    if (!name || !name->is_string()) continue;
    const std::string group = weight_group_name(name->as_string());
    const int number = counts[group]++;
    const std::string here = fmt::format("{}/layers/{}{}", folder, group, number == 0 ? "" : fmt::format("_{}", number));
    spec::Node* inner = layer.find("config");
    if (name->as_string() == "IntegerLookup" && inner && inner->is_map()) {
      const spec::Node* given = inner->find("vocabulary");
      const std::string member = here + "/vocabulary.txt";
      if ((!given || given->is_null()) && archive.has(member)) inner->set("vocabulary", read_vocabulary(archive, path, member));
    }
    take_vocabularies(layer, here, archive, path);
  }
}

SavedModel read(const std::string& path, const ReadOptions&) {
  KerasArchive archive(path);
  spec::Node config = parse_json(archive.read_text(kConfig), fmt::format("{}: {}", path, kConfig));
  std::string version = "3";
  std::map<std::string, std::string> facts;
  if (archive.has(kMetadata)) {
    const spec::Node metadata = parse_json(archive.read_text(kMetadata), fmt::format("{}: {}", path, kMetadata));
    if (metadata.is_map())
      for (const auto& [key, value] : metadata.entries())
        if (value.is_string()) facts[key] = value.as_string();
    if (facts.contains("keras_version")) version = facts["keras_version"];
  }
  take_vocabularies(config, "assets", archive, path);
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
  std::vector<std::string> problems = write_keras_config(saved, KerasVersion::k3).problems;
  for (const auto& layer : saved.model.layers)
    if (std::string_view(layer->def->class_name) == "IntegerLookup" && layer->config.text("output_mode") == "tf_idf")
      problems.push_back(
          fmt::format("layer '{}' (IntegerLookup): keeps the weights of 'tf_idf' in an array that is not written; write .h5", layer->name));
  return problems;
}

void write(const SavedModel& saved, const std::string& path, const WriteOptions& options) {
  const KerasExport model = export_keras_model(saved, path, "keras", KerasVersion::k3, options.half);
  spec::Node config = model.config.node;
  if (const spec::Node training = write_training(saved, KerasVersion::k3, false); !training.is_null())
    config.set("compile_config", training);
  spec::Node metadata = spec::Node::map({{"keras_version", spec::Node::string(kKeras3Version)}});
  if (const auto date = saved.metadata.find("date_saved"); date != saved.metadata.end())
    metadata.set("date_saved", spec::Node::string(date->second));
  ZipWriter archive(path);
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
