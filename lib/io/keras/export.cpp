#include "io/keras/export.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "base/error.h"
#include "io/keras/json_node.h"
#include "io/refuse.h"

namespace dl {
namespace {

using spec::Node;

constexpr const char* kPrivate = "dltool";

void add_weight(Hdf5Output& file, const std::string& path, const SavedModel& saved, const KerasWeight& weight, bool half) {
  const auto found = saved.weights.find(weight.name);
  DL_CHECK(found != saved.weights.end(), fmt::format("the model has no weight '{}'", weight.name));
  const Tensor& tensor = found->second;
  file.add_dataset(path, tensor, half && tensor.dtype() == DType::kFloat32 ? DType::kFloat16 : tensor.dtype());
}

// Keras counts the batches that Normalization has seen in a third variable.
bool has_count(const KerasExport& model, size_t layer) {
  return model.config.layers[layer].class_name == "Normalization" && !model.weights[layer].empty();
}

Tensor batch_count(KerasVersion version) { return version == KerasVersion::k2 ? Tensor::scalar<int64_t>(0) : Tensor::scalar<int32_t>(0); }

void write_tensors(Hdf5Output& file, const std::string& group, const NamedTensors& tensors) {
  Node names = Node::list({});
  int number = 0;
  for (const auto& [name, tensor] : tensors) {
    names.items().push_back(Node::list({Node::string(name), Node::string(std::string(name_of(tensor.dtype())))}));
    file.add_dataset(fmt::format("{}/{}", group, number++), tensor);
  }
  file.add_group(group);
  file.set_text(group, "names", to_json(names));
}

// Damage here costs the pair and not the model.
std::optional<NamedTensors> read_tensors(Hdf5File& file, const std::string& group) {
  const std::optional<std::string> text = file.text(group, "names");
  if (!text) return std::nullopt;
  const Node names = parse_json(*text, fmt::format("{}: {}", file.name(), group));
  if (!names.is_list()) return std::nullopt;
  NamedTensors tensors;
  for (size_t i = 0; i < names.items().size(); ++i) {
    const Node& entry = names.items()[i];
    if (!entry.is_list() || entry.items().size() != 2 || !entry.items()[0].is_string() || !entry.items()[1].is_string())
      return std::nullopt;
    const std::optional<DType> dtype = parse_dtype(entry.items()[1].as_string());
    const std::string path = fmt::format("{}/{}", group, i);
    if (!dtype || !file.dataset(path)) return std::nullopt;
    tensors.emplace_back(entry.items()[0].as_string(), file.read(path, *dtype));
  }
  return tensors;
}

}  // namespace

std::vector<KerasWeight> KerasExport::trainable() const {
  std::vector<KerasWeight> all;
  for (const std::vector<KerasWeight>& of_layer : weights)
    std::copy_if(of_layer.begin(), of_layer.end(), std::back_inserter(all), [](const KerasWeight& w) { return w.trainable; });
  return all;
}

KerasExport export_keras_model(const SavedModel& saved, const std::string& path, const char* format, KerasVersion version, bool half) {
  KerasExport model;
  model.version = version;
  model.half = half;
  model.config = write_keras_config(saved, version);
  refuse_if_any(model.config.problems, path, format);
  model.weights = keras_weights(saved.model, model.config.layers);
  return model;
}

void write_object_weights(Hdf5Output& file, const SavedModel& saved, const KerasExport& model) {
  file.add_group("layers");
  for (size_t l = 0; l < model.config.layers.size(); ++l) {
    const KerasLayerEntry& layer = model.config.layers[l];
    std::map<std::string, int> counts;
    // It holds the kernel, the first weight of the layer within it, a second time.
    if (layer.class_name == "SpectralNormalization" && !model.weights[l].empty())
      add_weight(file, fmt::format("{}/vars/{}", layer.path, counts[layer.path + "/vars"]++), saved, model.weights[l].front(), model.half);
    for (const KerasWeight& weight : model.weights[l]) {
      const std::string vars = layer.path + (weight.object.empty() ? "" : "/" + weight.object) + "/vars";
      add_weight(file, fmt::format("{}/{}", vars, counts[vars]++), saved, weight, model.half);
    }
    if (has_count(model, l)) file.add_dataset(fmt::format("{}/vars/{}", layer.path, model.weights[l].size()), batch_count(model.version));
    // For people; Keras pairs by path.
    if (counts.contains(layer.path + "/vars")) file.set_text(layer.path + "/vars", "name", layer.outermost);
  }
}

void write_legacy_weights(Hdf5Output& file, const SavedModel& saved, const KerasExport& model) {
  const std::string root = "model_weights";
  const char* suffix = model.version == KerasVersion::k2 ? ":0" : "";
  file.add_group(root);
  std::vector<std::string> layer_names;
  for (size_t l = 0; l < model.config.layers.size(); ++l) {
    const std::string& name = model.config.layers[l].outermost;
    const std::string group = root + "/" + name;
    layer_names.push_back(name);
    file.add_group(group);
    std::vector<std::string> weight_names;
    for (const KerasWeight& weight : model.weights[l]) {
      weight_names.push_back(weight.name + suffix);
      add_weight(file, group + "/" + weight_names.back(), saved, weight, model.half);
    }
    if (has_count(model, l)) {
      weight_names.push_back(fmt::format("{}/count{}", name, suffix));
      file.add_dataset(group + "/" + weight_names.back(), batch_count(model.version));
    }
    file.set_texts(group, "weight_names", weight_names);
  }
  file.set_texts(root, "layer_names", layer_names);
}

void write_private(Hdf5Output& file, const SavedModel& saved) {
  file.add_group(kPrivate);
  if (!saved.training.is_null()) file.set_text(kPrivate, "training", to_json(saved.training));
  if (!saved.preprocessing.is_null()) file.set_text(kPrivate, "preprocessing", to_json(saved.preprocessing));
  spec::Node metadata = spec::Node::map({});
  for (const auto& [key, value] : saved.metadata)
    if (key != "keras_version") metadata.set(key, spec::Node::string(value));
  if (!metadata.entries().empty()) file.set_text(kPrivate, "metadata", to_json(metadata));
  for (size_t i = 0; i < saved.tests.size(); ++i) {
    const std::string group = fmt::format("{}/tests/{}", kPrivate, i);
    write_tensors(file, group + "/inputs", saved.tests[i].inputs);
    write_tensors(file, group + "/outputs", saved.tests[i].outputs);
  }
}

void read_private(Hdf5File& file, SavedModel& saved) {
  if (!file.has_group(kPrivate)) return;
  const std::string place = file.name() + ": dltool: ";
  if (const auto text = file.text(kPrivate, "preprocessing")) saved.preprocessing = parse_json(*text, place + "preprocessing");
  if (const auto text = file.text(kPrivate, "metadata")) {
    const spec::Node metadata = parse_json(*text, place + "metadata");
    if (metadata.is_map())
      for (const auto& [key, value] : metadata.entries())
        if (value.is_string()) saved.metadata[key] = value.as_string();
  }
  for (size_t i = 0;; ++i) {
    const std::string group = fmt::format("{}/tests/{}", kPrivate, i);
    if (!file.has_group(group)) break;
    auto inputs = read_tensors(file, group + "/inputs"), outputs = read_tensors(file, group + "/outputs");
    if (!inputs || !outputs) {
      saved.warnings.push_back(fmt::format("{}: {}: the stored test is damaged and left out", file.name(), group));
      continue;
    }
    saved.tests.push_back({std::move(*inputs), std::move(*outputs)});
  }
}

}  // namespace dl
