#include "train/load_with_inputs.h"

#include <algorithm>
#include <filesystem>

#include "io/needs_input.h"
#include "layers/graph_layer.h"

namespace dl {
namespace {

// Inputs by name where every name asked for is there; else nothing.
NamedTensors select(const NamedTensors& arrays, const std::vector<std::string>& names) {
  NamedTensors found;
  for (const auto& array : arrays)
    if (std::find(names.begin(), names.end(), array.first) != names.end()) found.push_back(array);
  return found.size() == names.size() ? found : NamedTensors();
}

// Arrays that no input takes: default values of the file that are to be replaced.
bool has_unknown_names(const Model& model, const NamedTensors& arrays) {
  return arrays.size() > model.inputs.size() && std::any_of(arrays.begin(), arrays.end(), [&](const auto& array) {
           return std::none_of(model.inputs.begin(), model.inputs.end(), [&](const ModelInput& in) { return in.name == array.first; });
         });
}

}  // namespace

LoadedModel load_with_inputs(const std::string& path, const NamedTensors& arrays) {
  std::error_code ignored;
  const Format* format = std::filesystem::is_regular_file(path, ignored) && !is_checkpoint(path) ? recognize_format(path) : nullptr;
  if (!format || arrays.empty()) return load_model(path);
  NamedTensors given;
  try {
    LoadedModel loaded = load_foreign(path, {}, format);
    if (!graph_of(loaded.model) || !has_unknown_names(loaded.model, arrays)) return loaded;
  } catch (NeedsInput& e) {
    given = select(arrays, e.inputs);
  } catch (FileError&) {  // the file is bad, or a size that the file leaves open decides something
  }
  if (!given.empty()) {
    try {
      return load_foreign(path, {.given = given, .input_shapes = {}}, format);
    } catch (FileError&) {
    }
  }
  return load_foreign(path, {.given = arrays, .input_shapes = {}}, format);
}

}  // namespace dl
