#include "train/model_file.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "base/log.h"
#include "data/npy.h"
#include "layers/build.h"
#include "layers/initializers.h"
#include "spec/yaml.h"

namespace dl {
namespace {

namespace fs = std::filesystem;

// Formats that are not read yet, by their first bytes or their suffix.
struct ForeignFormat {
  std::string_view magic, suffix, name;
};
constexpr ForeignFormat kForeign[] = {{"PK\x03\x04", ".keras", "a Keras or zip file"},
                                      {"\x89HDF\r\n\x1a\n", ".h5", "an HDF5 file that dltool did not write (Keras?)"},
                                      {"", ".hdf5", "an HDF5 file that dltool did not write (Keras?)"},
                                      {"", ".onnx", "an ONNX file"},
                                      {"", ".tflite", "a TFLite file"},
                                      {"\x80\x02", ".pt", "a PyTorch file"},
                                      {"", ".pth", "a PyTorch file"},
                                      {"", ".pb", "a TensorFlow file"}};

constexpr const char* kAllowed = "a model is a checkpoint (.ckpt.h5), the folder of a run, a run file or a model file";

void refuse_foreign(const std::string& path) {
  std::array<char, 8> bytes{};
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), bytes.size());
  const std::string_view start(bytes.data(), static_cast<size_t>(file.gcount()));
  for (const ForeignFormat& f : kForeign) {
    const bool by_magic = !f.magic.empty() && start.starts_with(f.magic);
    if (!by_magic && !path.ends_with(f.suffix)) continue;
    if (start.empty()) throw FileError(fmt::format("{}: is empty; {}", path, kAllowed));
    throw FileError(fmt::format("{}: looks like {}, which is not supported yet by this version; {}", path, f.name, kAllowed));
  }
}

LoadedModel from_checkpoint(const std::string& path, Checkpoint checkpoint, const std::vector<std::string>& overrides) {
  LoadedModel loaded;
  loaded.kind = ModelFileKind::kCheckpoint;
  loaded.origin = path;
  loaded.run = parse_run_spec(checkpoint.spec, path, overrides);
  loaded.model = loaded.run->model;
  loaded.parameters = std::move(checkpoint.parameters);
  loaded.state = run_state_from_json(checkpoint.state, path);
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
    return loaded;
  }
  if (!overrides.empty()) throw UserError(fmt::format("{}: is a model file; key=value overrides need a run file", path));
  loaded.model = load_model_spec(path);
  return loaded;
}

}  // namespace

const char* name_of(ModelFileKind kind) {
  switch (kind) {
    case ModelFileKind::kCheckpoint:
      return "checkpoint";
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
  if (fs::is_directory(status)) return from_folder(path, overrides);
  if (is_checkpoint(path)) return from_checkpoint(path, read_checkpoint(path), overrides);
  if (fs::is_regular_file(status)) refuse_foreign(path);
  return from_yaml(path, overrides);
}

std::map<std::string, Tensor> read_weights(const std::string& path) {
  if (is_checkpoint(path)) return read_checkpoint(path).parameters;
  std::map<std::string, Tensor> arrays;
  for (auto& [name, tensor] : read_npz(path)) arrays[name] = std::move(tensor);
  return arrays;
}

std::map<std::string, Tensor> select_weights(const Model& model, const Precision& precision, const std::map<std::string, Tensor>& given,
                                             const std::string& origin) {
  std::map<std::string, Tensor> weights;
  const Program program = build_inference_program(model, precision);
  for (const Parameter& p : program.parameters) {
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

void set_parameters(const LoadedModel& model, const Program& program, ParameterStore& store) {
  const uint64_t seed = model.run ? static_cast<uint64_t>(model.run->training.seed) : 0;
  std::map<std::string, Tensor> given;
  if (!model.trained() && model.run && !model.run->training.initial_weights.empty()) {
    const std::string& path = model.run->training.initial_weights;
    given = select_weights(model.model, model.precision(), read_weights(path), path);
  }
  for (const Parameter& p : program.parameters) {
    const TensorType& type = program.graph.type(p.value);
    if (!model.trained()) {
      const auto first = given.find(p.name);
      store.set(p.name, first != given.end() ? first->second : initial_value(program, p, seed));
      continue;
    }
    const auto found = model.parameters.find(p.name);
    const Dims dims = known_dims(type.shape);
    if (found == model.parameters.end())
      throw FileError(fmt::format("{}: has no parameter '{}', which its model needs", model.origin, p.name));
    if (found->second.dims() != dims)
      throw FileError(fmt::format("{}: parameter '{}' has shape {}, its model needs {}", model.origin, p.name,
                                  to_string(std::span<const int64_t>(found->second.dims())), to_string(std::span<const int64_t>(dims))));
    store.set(p.name, found->second.cast(type.dtype));
  }
}

}  // namespace dl
