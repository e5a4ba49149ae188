#include "train/model_file.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "data/npy.h"
#include "io/keras/architecture.h"
#include "layers/build.h"
#include "layers/graph_text.h"
#include "layers/initializers.h"
#include "spec/yaml.h"
#include "train/adapt.h"

namespace dl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kAllowed =
    "a model is a checkpoint (.ckpt.h5), the folder of a run, a run file, a model file (YAML, or the JSON of a Keras model) or a file of "
    "another framework";

// Formats that cannot be read, by their first bytes or their suffix.
struct ForeignFormat {
  std::string_view magic, suffix, name;
};
constexpr ForeignFormat kUnreadable[] = {{"PK\x03\x04", ".pt", "a zip file (PyTorch?)"},
                                         {"\x80\x02", ".pth", "a PyTorch file"},
                                         {"\x89HDF\r\n\x1a\n", ".hdf5", "an HDF5 file without a model"},
                                         {"", ".tflite", "a TFLite file"},
                                         {"", ".pb", "a TensorFlow file"}};

void refuse_unreadable(const std::string& path) {
  std::array<char, 8> bytes{};
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), bytes.size());
  const std::string_view start(bytes.data(), static_cast<size_t>(file.gcount()));
  for (const ForeignFormat& f : kUnreadable)
    if ((!f.magic.empty() && start.starts_with(f.magic)) || path.ends_with(f.suffix))
      throw FileError(fmt::format("{}: looks like {}, which is not supported by this version; {}", path, f.name, kAllowed));
}

// Gives `take` each weight of an untrained model, one after the other.
void take_first_weights(const LoadedModel& model, const Program& program,
                        const std::function<void(const Parameter&, const Tensor&)>& take) {
  const uint64_t seed = model.run ? static_cast<uint64_t>(model.run->training.seed) : 0;
  std::map<std::string, Tensor> given;
  if (model.run && model.run->start) given = model.run->start->weights;
  if (model.run && !model.run->training.initial_weights.empty()) {
    const std::string& path = model.run->training.initial_weights;
    given = model.run->training.skip_mismatch ? matching_weights(model.model, model.precision(), read_weights(path)).weights
                                              : select_weights(model.model, model.precision(), read_weights(path), path);
  }
  for (const Parameter& p : program.parameters) {
    const auto first = given.find(p.name);
    take(p, first != given.end() ? first->second : initial_value(program, p, seed));
  }
}

// The weights of the model's inference program: those of the file, or the first ones of an untrained model.
std::map<std::string, Tensor> weights_of(const LoadedModel& loaded) {
  const Program program = build_inference_program(loaded.model, loaded.precision());
  std::map<std::string, Tensor> weights;
  if (!loaded.has_weights()) {
    take_first_weights(loaded, program, [&](const Parameter& p, const Tensor& value) {
      if (!is_carried_state(p.name)) weights[p.name] = value;
    });
    return weights;
  }
  for (const Parameter& p : program.parameters) {
    if (is_carried_state(p.name)) continue;
    const auto found = loaded.parameters.find(p.name);
    if (found == loaded.parameters.end())
      throw FileError(fmt::format("{}: has no parameter '{}', which its model needs", loaded.origin, p.name));
    weights[p.name] = found->second;
  }
  return weights;
}

// What write_model_checkpoint wrote: a model without a run.
LoadedModel from_model_checkpoint(const std::string& path, const spec::Node& root, Checkpoint checkpoint) {
  LoadedModel loaded;
  loaded.kind = ModelFileKind::kForeign;
  loaded.origin = path;
  loaded.foreign.emplace();
  spec::Problems problems;
  if (const spec::Node* model = root.find("model")) {
    loaded.model = parse_model(*model, "", problems);
    loaded.model_tree = *model;
  }
  problems.throw_if_any();
  if (const spec::Node* training = root.find("training")) loaded.foreign->training = *training;
  if (const spec::Node* preprocessing = root.find("preprocessing")) loaded.foreign->preprocessing = *preprocessing;
  loaded.foreign->metadata = std::move(checkpoint.facts);
  loaded.parameters = std::move(checkpoint.parameters);
  return loaded;
}

LoadedModel from_checkpoint(const std::string& path, Checkpoint checkpoint, const std::vector<std::string>& overrides) {
  if (const spec::Node root = spec::parse_yaml(checkpoint.spec, path); !root.find("data"))
    return from_model_checkpoint(path, root, std::move(checkpoint));
  LoadedModel loaded;
  loaded.kind = ModelFileKind::kCheckpoint;
  loaded.origin = path;
  loaded.run = parse_run_spec(checkpoint.spec, path, overrides);
  loaded.state = run_state_from_json(checkpoint.state, path);
  if (!loaded.state.layers.empty()) set_learned_layers(*loaded.run, loaded.state.layers, path, /*in_tree=*/true);
  loaded.model = loaded.run->model;
  loaded.model_tree = loaded.run->model_tree;
  loaded.parameters = std::move(checkpoint.parameters);
  loaded.facts = std::move(checkpoint.facts);
  if (!loaded.state.preprocessing.empty()) {
    spec::Problems problems;
    loaded.preprocessing = read_preprocessing(spec::parse_yaml(loaded.state.preprocessing, path), "preprocessing", problems);
    problems.throw_if_any();
  }
  return loaded;
}

LoadedModel from_folder(const std::string& path, const std::vector<std::string>& overrides) {
  std::error_code ignored;
  const std::string inner = (fs::path(path) / "checkpoints").string();
  for (const std::string& directory : {inner, path}) {
    if (!fs::is_directory(directory, ignored)) continue;
    const CheckpointFolder folder(directory, 1);
    if (fs::exists(folder.best_path(), ignored)) return from_checkpoint(folder.best_path(), read_checkpoint(folder.best_path()), overrides);
    std::vector<std::string> warnings;
    auto latest = folder.load_latest(&warnings);
    for (const std::string& w : warnings) log_warning(w);
    if (latest) return from_checkpoint(latest->first, std::move(latest->second), overrides);
  }
  throw UserError(fmt::format("{}: a folder without checkpoints; give the folder of a run, which holds checkpoints/*.ckpt.h5", path));
}

LoadedModel from_yaml(const std::string& path, const std::vector<std::string>& overrides) {
  const spec::Node root = spec::load_yaml(path);
  if (!root.is_map())
    throw UserError(fmt::format("{}: expected the keys of a run file or a model file, found {}; {}", to_string(root.place()),
                                name_of(root.kind()), kAllowed));
  LoadedModel loaded;
  loaded.origin = path;
  if (root.find("model") || root.find("training") || root.find("data")) {
    loaded.kind = ModelFileKind::kRunFile;
    loaded.run = load_run_spec(path, overrides);
    loaded.model = loaded.run->model;
    loaded.model_tree = loaded.run->model_tree;
    return loaded;
  }
  if (!overrides.empty()) throw UserError(fmt::format("{}: is a model file; key=value overrides need a run file", path));
  loaded.model = load_model_spec(path);
  loaded.model_tree = root;
  return loaded;
}

LoadedModel from_architecture(const std::string& path, const std::vector<std::string>& overrides) {
  if (!overrides.empty()) throw UserError(fmt::format("{}: is a model file; key=value overrides need a run file", path));
  SavedModel read = read_keras_architecture(path);
  for (const std::string& warning : read.warnings) log_warning(warning);
  LoadedModel loaded;
  loaded.origin = path;
  loaded.model = std::move(read.model);
  loaded.model_tree = std::move(read.model_tree);
  return loaded;
}

}  // namespace

const char* name_of(ModelFileKind kind) {
  switch (kind) {
    case ModelFileKind::kCheckpoint:
      return "checkpoint";
    case ModelFileKind::kForeign:
      return "model with weights";
    case ModelFileKind::kRunFile:
      return "run file";
    case ModelFileKind::kModelFile:
      return "model file";
  }
  return "?";
}

LoadedModel load_model(const std::string& path, const std::vector<std::string>& overrides) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) throw UserError(fmt::format("{}: does not exist; {}", path, kAllowed));
  if (is_checkpoint(path)) return from_checkpoint(path, read_checkpoint(path), overrides);
  if (const Format* format = recognize_format(path)) {
    if (!overrides.empty()) throw UserError(fmt::format("{}: is no run file; key=value overrides need one", path));
    return load_foreign(path, {}, format);
  }
  if (fs::is_directory(status)) return from_folder(path, overrides);
  if (is_keras_architecture(path)) return from_architecture(path, overrides);
  if (fs::is_regular_file(status)) refuse_unreadable(path);
  return from_yaml(path, overrides);
}

LoadedModel load_foreign(const std::string& path, const ReadOptions& options, const Format* format) {
  LoadedModel loaded;
  loaded.kind = ModelFileKind::kForeign;
  loaded.origin = path;
  if (!format) format = recognize_format(path);
  if (format && format->weights_only)
    throw UserError(fmt::format("{}: holds weights and no model; give them to a run file as training.initial_weights", path));
  loaded.foreign = read_model(path, options, format);
  for (const std::string& warning : loaded.foreign->warnings)
    log_warning(warning.starts_with(path) ? warning : fmt::format("{}: {}", path, warning));
  loaded.model = loaded.foreign->model;
  loaded.model_tree = loaded.foreign->model_tree;
  loaded.parameters = std::exchange(loaded.foreign->weights, {});
  loaded.parameters.merge(loaded.foreign->slots);
  return loaded;
}

SavedModel to_saved_model(const LoadedModel& loaded) {
  SavedModel saved;
  if (loaded.foreign) saved = *loaded.foreign;
  saved.model = loaded.model;
  saved.model_tree = loaded.model_tree;
  saved.weights = weights_of(loaded);
  saved.slots.clear();
  for (const auto& [name, tensor] : loaded.parameters)
    if (!saved.weights.contains(name) && !name.starts_with("remembered/")) saved.slots[name] = tensor;
  if (loaded.run) {
    const spec::Node& training = *loaded.run->resolved.find("training");
    spec::Node::Map kept;
    for (const std::string_view key : {"loss", "loss_weights", "optimizer", "metrics"})
      if (const spec::Node* value = training.find(key)) kept.emplace_back(key, *value);
    saved.training = spec::Node::map(std::move(kept));
  }
  if (!loaded.preprocessing.fields.empty()) saved.preprocessing = to_node(loaded.preprocessing);
  return saved;
}

void write_model_checkpoint(const std::string& path, const SavedModel& model) {
  spec::Node root = spec::Node::map({{"model", model.model_tree.is_null() ? graph_model_tree(model.model) : model.model_tree}});
  if (!model.training.is_null()) root.set("training", model.training);
  if (!model.preprocessing.is_null()) root.set("preprocessing", model.preprocessing);
  Checkpoint checkpoint;
  checkpoint.spec = spec::to_yaml(root);
  checkpoint.parameters = model.weights;
  for (const auto& [name, tensor] : model.slots) checkpoint.parameters[name] = tensor;
  checkpoint.facts = model.metadata;
  write_checkpoint(path, checkpoint);
}

std::map<std::string, Tensor> read_weights(const std::string& path) {
  if (is_checkpoint(path)) return read_checkpoint(path).parameters;
  if (const Format* format = recognize_format(path)) return read_model(path, {}, format).weights;
  std::map<std::string, Tensor> arrays;
  for (auto& [name, tensor] : read_npz(path)) arrays[name] = std::move(tensor);
  return arrays;
}

std::map<std::string, Tensor> select_weights(const Model& model, const Precision& precision, const std::map<std::string, Tensor>& given,
                                             const std::string& origin) {
  std::map<std::string, Tensor> weights;
  const Program program = build_inference_program(model, precision);
  for (const Parameter& p : program.parameters) {
    if (is_carried_state(p.name)) continue;
    const auto found = given.find(p.name);
    if (found == given.end()) throw UserError(fmt::format("{}: has no array '{}' for the model's weight of that name", origin, p.name));
    const TensorType& type = program.graph.type(p.value);
    const Dims dims = known_dims(type.shape);
    if (found->second.dims() != dims)
      throw UserError(fmt::format("{}: '{}' has shape {}, the model's weight of that name {}", origin, p.name,
                                  to_string(std::span<const int64_t>(found->second.dims())), to_string(std::span<const int64_t>(dims))));
    weights[p.name] = found->second.cast(type.dtype);
  }
  return weights;
}

MatchingWeights matching_weights(const Model& model, const Precision& precision, const std::map<std::string, Tensor>& given) {
  MatchingWeights result;
  const Program program = build_inference_program(model, precision);
  for (const Parameter& p : program.parameters) {
    if (is_carried_state(p.name)) continue;
    const TensorType& type = program.graph.type(p.value);
    const Dims dims = known_dims(type.shape);
    const auto found = given.find(p.name);
    if (found == given.end()) {
      result.fresh.push_back(fmt::format("{} (not in the file)", p.name));
    } else if (found->second.dims() != dims) {
      result.fresh.push_back(fmt::format("{} ({} in the file, {} in the model)", p.name,
                                         to_string(std::span<const int64_t>(found->second.dims())),
                                         to_string(std::span<const int64_t>(dims))));
    } else {
      result.weights[p.name] = found->second.cast(type.dtype);
    }
  }
  return result;
}

void set_parameters(const LoadedModel& model, const Program& program, ParameterStore& store) {
  std::set<std::string_view> updated;
  for (const Update& u : program.updates) updated.insert(program.parameters[u.parameter].name);
  const auto place = [&](const Parameter& p, const Tensor& value) {
    updated.contains(p.name) ? store.set(p.name, value) : store.lend(p.name, value);
  };
  if (!model.has_weights()) return take_first_weights(model, program, place);
  for (const Parameter& p : program.parameters) {
    const TensorType& type = program.graph.type(p.value);
    if (is_carried_state(p.name)) {  // a model that is loaded starts with zeros
      store.set(p.name, initial_value(program, p, 0));
      continue;
    }
    const auto found = model.parameters.find(p.name);
    const Dims dims = known_dims(type.shape);
    if (found == model.parameters.end())
      throw FileError(fmt::format("{}: has no parameter '{}', which its model needs", model.origin, p.name));
    if (found->second.dims() != dims)
      throw FileError(fmt::format("{}: parameter '{}' has shape {}, its model needs {}", model.origin, p.name,
                                  to_string(std::span<const int64_t>(found->second.dims())), to_string(std::span<const int64_t>(dims))));
    place(p, found->second.cast(type.dtype));
  }
}

}  // namespace dl
