#include "io/keras/import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/error.h"
#include "layers/build.h"

namespace dl {
namespace {

[[noreturn]] void throw_lines(const std::vector<std::string>& lines) { throw FileError(fmt::format("{}", fmt::join(lines, "\n"))); }

void check_keras2_masks(const Model& model, const ModelGraph& built, const std::string& file) {
  std::vector<std::string> lines;
  for (const LayerCall& call : model.calls) {
    const Layer& layer = *model.layers[call.layer];
    std::vector<Var> masks;
    for (const ModelRef& ref : call.inputs) masks.push_back(ref.is_input ? Var() : built.calls[ref.index].outputs.at(ref.output).mask);
    if (const std::string why = keras2_mask_difference(layer, masks); !why.empty())
      lines.push_back(fmt::format("{}: layer '{}' ({}): {}; not supported", file, call.name, layer.def->class_name, why));
  }
  if (!lines.empty()) throw_lines(lines);
}

void check_keras1_shapes(const std::vector<KerasLayerEntry>& layers, const Model& model, const ModelGraph& built, const Graph& graph,
                         const std::string& file) {
  std::map<std::string_view, const spec::Node*> marks;
  for (const KerasLayerEntry& layer : layers)
    if (!layer.keras1.is_null()) marks[layer.name] = &layer.keras1;
  std::map<std::string_view, Shape> inputs;
  for (const NamedValue& input : built.inputs) inputs[input.name] = graph.type(input.value).shape;
  std::vector<std::string> lines;
  for (size_t c = 0; c < model.calls.size(); ++c) {
    const LayerCall& call = model.calls[c];
    const auto mark = marks.find(model.layers[call.layer]->name);
    if (mark == marks.end() || call.inputs.empty() || built.calls[c].outputs.empty()) continue;
    const ModelRef& from = call.inputs[0];
    const Shape input =
        from.is_input ? inputs[model.inputs[from.index].name] : built.calls[from.index].outputs.at(from.output).value.shape();
    if (const std::string why = keras1_difference(*mark->second, input, built.calls[c].outputs[0].value.shape()); !why.empty())
      lines.push_back(fmt::format("{}: layer '{}': {}; not supported", file, call.name, why));
  }
  if (!lines.empty()) throw_lines(lines);
}

std::vector<KerasWeight> weights_of(const std::string& layer, const WeightRegistry& registry, const Graph& graph) {
  std::vector<KerasWeight> weights;
  for (const size_t w : registry.keras_order(layer)) {
    const Weight& weight = registry.weights()[w];
    const TensorType& type = graph.type(weight.parameter.value);
    weights.push_back({weight.parameter.name, weight.object, known_dims(type.shape), type.dtype, weight.parameter.trainable});
  }
  return weights;
}

std::string text_of(const Dims& dims) { return to_string(std::span<const int64_t>(dims)); }

// Reads one array into saved.weights; `origin` names its layer.
void take(Hdf5File& file, const std::string& path, const KerasWeight& weight, SavedModel& saved) {
  const Hdf5Dataset* dataset = file.dataset(path);
  if (!dataset) throw FileError(fmt::format("{}: {}: is missing: the array of weight '{}'", file.name(), path, weight.name));
  if (dataset->problem.empty() && dataset->dims != weight.dims)
    throw FileError(fmt::format("{}: {}: has shape {}, weight '{}' of the model has {}", file.name(), path, text_of(dataset->dims),
                                weight.name, text_of(weight.dims)));
  if (dataset->problem.empty() && !is_float(dataset->dtype))
    throw FileError(
        fmt::format("{}: {}: holds {}, weight '{}' needs floating-point numbers", file.name(), path, name_of(dataset->dtype), weight.name));
  saved.weights[weight.name] = file.read(path, weight.dtype);
}

// Arrays that Keras keeps but that do not change a number here: the state of random generators, the count of Normalization.adapt, what
// IntegerLookup makes of its idf_weights.
bool is_dispensable(const std::string& path, const KerasLayerEntry* layer, const Hdf5Dataset& dataset) {
  if (path.find("seed_generator/") != std::string::npos) return true;
  if (layer && layer->class_name == "IntegerLookup" && path.ends_with("/vars/idf_weights")) return true;
  return layer && layer->class_name == "Normalization" && dataset.dims.empty();
}

}  // namespace

std::vector<KerasWeight> KerasImport::trainable() const {
  std::vector<KerasWeight> all;
  for (const std::vector<KerasWeight>& of_layer : weights)
    std::copy_if(of_layer.begin(), of_layer.end(), std::back_inserter(all), [](const KerasWeight& w) { return w.trainable; });
  return all;
}

std::string keras2_mask_difference(const Layer& layer, std::span<const Var> masks) {
  static constexpr std::string_view kMerges[] = {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Dot"};
  static constexpr std::string_view kDropping[] = {"Identity", "Normalization", "Rescaling"};
  const auto is = [&](const auto& names) {
    return std::find(std::begin(names), std::end(names), layer.def->class_name) != std::end(names);
  };
  const bool masked = std::any_of(masks.begin(), masks.end(), [](const Var& mask) { return mask.valid(); });
  if (!masked) return "";
  if (is(kDropping)) return "hands on a mask, which it does not in Keras 2";
  if (std::string_view(layer.def->class_name) == "GroupNormalization") return "takes a mask, with which Keras 2 fails";
  if (std::string_view(layer.def->class_name) == "MultiHeadAttention" && masks[0].valid() && layer.config.real("dropout") > 0)
    return "has dropout and a mask of its queries, for whose masked steps Keras 2 gives other numbers";
  if (!is(kMerges)) return "";
  std::set<std::pair<uint32_t, uint32_t>> different;
  for (const Var& mask : masks)
    different.insert(mask.valid() ? std::pair(mask.value.node, mask.value.index) : std::pair(UINT32_MAX, UINT32_MAX));
  return different.size() > 1 ? "joins inputs with different masks, which Keras 2 does otherwise than Keras 3" : "";
}

std::vector<std::vector<KerasWeight>> keras_weights(const Model& model, const std::vector<KerasLayerEntry>& layers) {
  Graph graph;
  WeightRegistry registry;
  build_model(model, graph, registry, {});
  std::vector<std::vector<KerasWeight>> weights;
  for (const KerasLayerEntry& layer : layers) weights.push_back(weights_of(layer.name, registry, graph));
  return weights;
}

KerasVersion keras_version_of(const std::string& text) { return atoi(text.c_str()) >= 3 ? KerasVersion::k3 : KerasVersion::k2; }

namespace {

KerasImport import_config(const spec::Node& config, const std::string& file, KerasVersion version, spec::Problems problems) {
  KerasImport result;
  result.version = version;
  KerasConfig read = read_keras_config(config, file, version, problems);
  if (!read.tree.is_null()) {
    try {
      result.saved.model = parse_model(read.tree, "", problems);
    } catch (const UserError& error) {
      throw FileError(error.what());
    }
  }
  if (!problems.empty()) throw_lines(problems.lines());
  // Later messages name the layer themselves.
  for (LayerCall& call : result.saved.model.calls) call.place = {file, 0, 0};
  Graph graph;
  WeightRegistry registry;
  try {
    const ModelGraph built = build_model(result.saved.model, graph, registry, {});
    if (version == KerasVersion::k2) check_keras2_masks(result.saved.model, built, file);
    check_keras1_shapes(read.layers, result.saved.model, built, graph, file);
  } catch (const UserError& error) {
    throw FileError(error.what());
  }
  if (const spec::Node* name = config.find("class_name"); name && name->is_string() && name->as_string() != "Sequential")
    result.saved.metadata["model_class"] = "Functional";
  result.saved.model_tree = std::move(read.tree);
  result.saved.warnings = std::move(read.warnings);
  for (const KerasLayerEntry& layer : read.layers) result.weights.push_back(weights_of(layer.name, registry, graph));
  result.layers = std::move(read.layers);
  return result;
}

}  // namespace

KerasImport import_keras_config(const spec::Node& config, const std::string& file, KerasVersion version) {
  return import_config(config, file, version, {});
}

KerasImport import_keras1_config(const spec::Node& config, const Keras1File& file) {
  spec::Problems problems;
  std::vector<std::string> warnings;
  const spec::Node upgraded = upgrade_keras1(config, file, problems, warnings);
  KerasImport result = import_config(upgraded, file.path, KerasVersion::k2, std::move(problems));
  result.saved.warnings.insert(result.saved.warnings.end(), warnings.begin(), warnings.end());
  return result;
}

namespace {

// The folder of an object inside a layer. Keras 2 keeps the underscore of its private attributes: "_query_dense".
std::string object_in(Hdf5File& file, const std::string& layer, const std::string& object) {
  if (object.empty()) return "";
  std::string older = object;
  older.insert(object.rfind('/') + 1, "_");  // npos + 1 is the begin
  const bool is_older = !file.has_group(layer + "/" + object) && file.has_group(layer + "/" + older);
  return "/" + (is_older ? older : object);
}

}  // namespace

void read_object_weights(Hdf5File& file, KerasImport& import) {
  std::set<std::string> expected;
  std::map<std::string, const KerasLayerEntry*> owners;
  const std::string old = "_layer_checkpoint_dependencies";  // Keras 2.12's word for layers
  const bool is_old = !file.has_group("layers") && file.has_group(old);
  for (size_t l = 0; l < import.layers.size(); ++l) {
    const std::string path = is_old ? old + import.layers[l].path.substr(6) : import.layers[l].path;
    owners[path] = &import.layers[l];
    std::map<std::string, int> counts;
    // It holds the kernel of the layer within it a second time.
    if (import.layers[l].class_name == "SpectralNormalization" && file.dataset(path + "/vars/1")) {
      expected.insert(path + "/vars/0");
      counts[path + "/vars/"] = 1;
    }
    for (const KerasWeight& weight : import.weights[l]) {
      const std::string object = path + object_in(file, path, weight.object) + "/vars/";
      const std::string dataset = object + std::to_string(counts[object]++);
      take(file, dataset, weight, import.saved);
      expected.insert(dataset);
    }
  }
  for (const auto& [path, dataset] : file.datasets()) {
    if (!path.starts_with(is_old ? old + "/" : "layers/") || expected.contains(path)) continue;
    const size_t vars = path.find("/vars/");
    const auto owner = owners.find(path.substr(0, vars));
    if (!is_dispensable(path, owner == owners.end() ? nullptr : owner->second, dataset))
      throw FileError(fmt::format("{}: {}: is an array that the model has no weight for", file.name(), path));
  }
}

namespace {

// Keras lists the trainable weights of a layer or inner model before the others.
struct LegacyGroup {
  std::string name;
  std::vector<const KerasWeight*> weights;
  bool normalization = false;
  std::vector<size_t> layers;
  bool keras1 = false;  // one of them has a mark
};

std::vector<LegacyGroup> legacy_groups(const KerasImport& import) {
  std::vector<LegacyGroup> groups;
  for (size_t l = 0; l < import.layers.size(); ++l) {
    const KerasLayerEntry& layer = import.layers[l];
    if (groups.empty() || groups.back().name != layer.outermost) groups.push_back({layer.outermost, {}, false, {}, false});
    for (const KerasWeight& weight : import.weights[l]) groups.back().weights.push_back(&weight);
    groups.back().normalization |= layer.class_name == "Normalization";
    groups.back().layers.push_back(l);
    groups.back().keras1 |= !layer.keras1.is_null();
  }
  for (LegacyGroup& group : groups)
    std::stable_partition(group.weights.begin(), group.weights.end(), [](const KerasWeight* w) { return w->trainable; });
  std::erase_if(groups, [](const LegacyGroup& group) { return group.weights.empty(); });
  return groups;
}

// A layer of Keras 1 and the weights that its arrays give: those of several layers now (Highway).
struct Keras1Unit {
  const spec::Node* mark = nullptr;
  std::vector<const KerasWeight*> trainable, rest;
};

std::vector<Keras1Unit> keras1_units(const LegacyGroup& group, const KerasImport& import) {
  std::vector<Keras1Unit> units;
  for (const size_t l : group.layers) {
    const spec::Node& mark = import.layers[l].keras1;
    if (import.weights[l].empty()) continue;
    if (units.empty() || mark.is_null() || units.back().mark->is_null() || !(*units.back().mark == mark)) units.push_back({&mark, {}, {}});
    for (const KerasWeight& weight : import.weights[l]) (weight.trainable ? units.back().trainable : units.back().rest).push_back(&weight);
  }
  return units;
}

size_t stored_count(const Keras1Unit& unit, size_t weights) {
  return unit.mark->is_null() ? weights : keras1_array_count(*unit.mark, weights);
}

void give(const KerasWeight& weight, const Tensor& array, const std::string& place, SavedModel& saved) {
  if (array.dims() != weight.dims)
    throw FileError(fmt::format("{}: has an array of shape {}, weight '{}' of the model has {}", place, text_of(array.dims()), weight.name,
                                text_of(weight.dims)));
  saved.weights[weight.name] = array.cast(weight.dtype);
}

// Another form has as many numbers, so what is read is bounded by the model.
std::vector<Tensor> read_stored(Hdf5File& file, const std::vector<std::string>& paths, const std::vector<const KerasWeight*>& weights,
                                const std::string& layer) {
  int64_t wanted = 0, found = 0;
  for (const KerasWeight* weight : weights) wanted += element_count(weight->dims);
  std::string shapes;
  for (const std::string& path : paths) {
    const Hdf5Dataset* dataset = file.dataset(path);
    if (!dataset) throw FileError(fmt::format("{}: {}: is missing", file.name(), path));
    if (dataset->problem.empty() && !is_float(dataset->dtype))
      throw FileError(fmt::format("{}: {}: holds {}, a weight needs floating-point numbers", file.name(), path, name_of(dataset->dtype)));
    if (dataset->problem.empty()) found += element_count(dataset->dims);
    shapes += fmt::format("{}{}", shapes.empty() ? "" : ", ", text_of(dataset->dims));
  }
  if (found != wanted) {
    std::string needed;
    for (const KerasWeight* weight : weights) needed += fmt::format("{}{}", needed.empty() ? "" : ", ", text_of(weight->dims));
    throw FileError(
        fmt::format("{}: layer '{}' has arrays of shape {}, its weights need as many numbers as {}", file.name(), layer, shapes, needed));
  }
  std::vector<Tensor> arrays;
  for (const std::string& path : paths) arrays.push_back(file.read(path));
  return arrays;
}

// The arrays of a group as Keras 1 stored them: trainable ones first, in the order of the layers.
void take_keras1(Hdf5File& file, const std::string& name, const std::vector<std::string>& paths, const LegacyGroup& group,
                 KerasImport& import) {
  const std::vector<Keras1Unit> units = keras1_units(group, import);
  size_t expected = 0, rest = 0;
  for (const Keras1Unit& unit : units) rest += stored_count(unit, unit.trainable.size());
  for (const Keras1Unit& unit : units) expected += stored_count(unit, unit.trainable.size()) + stored_count(unit, unit.rest.size());
  const std::string place = fmt::format("{}: {}", file.name(), name);
  if (paths.size() != expected)
    throw FileError(fmt::format("{}: has {} arrays, layer '{}' has {}", place, paths.size(), group.name, expected));
  size_t next = 0;
  for (const Keras1Unit& unit : units) {
    std::vector<const KerasWeight*> weights = unit.trainable;
    weights.insert(weights.end(), unit.rest.begin(), unit.rest.end());
    std::vector<std::string> stored;
    for (size_t i = stored_count(unit, unit.trainable.size()); i > 0; --i) stored.push_back(paths[next++]);
    for (size_t i = stored_count(unit, unit.rest.size()); i > 0; --i) stored.push_back(paths[rest++]);
    std::vector<Tensor> arrays = read_stored(file, stored, weights, group.name);
    if (!unit.mark->is_null()) arrays = convert_keras1_arrays(*unit.mark, std::move(arrays), place);
    if (arrays.size() != weights.size())
      throw FileError(fmt::format("{}: has {} arrays, layer '{}' has {} weights", place, arrays.size(), group.name, weights.size()));
    for (size_t w = 0; w < weights.size(); ++w) give(*weights[w], arrays[w], place, import.saved);
  }
}

}  // namespace

void read_legacy_weights(Hdf5File& file, const std::string& root, KerasImport& import) {
  const auto layer_names = file.texts(root, "layer_names");
  if (!layer_names)
    throw FileError(fmt::format("{}: {}: has no attribute 'layer_names'", file.name(), root.empty() ? "the root group" : root));
  struct Stored {
    std::string name;
    std::vector<std::string> paths;
  };
  std::vector<Stored> stored;
  for (const std::string& name : *layer_names) {
    const std::string group = root.empty() ? name : root + "/" + name;
    if (!file.has_group(group)) throw FileError(fmt::format("{}: {}: is missing: the group of layer '{}'", file.name(), group, name));
    const auto names = file.texts(group, "weight_names");
    if (!names) throw FileError(fmt::format("{}: {}: has no attribute 'weight_names'", file.name(), group));
    Stored row{name, {}};
    for (const std::string& weight : *names)
      if (weight.find("seed_generator") == std::string::npos) row.paths.push_back(group + "/" + weight);
    if (!row.paths.empty()) stored.push_back(std::move(row));
  }
  const std::vector<LegacyGroup> groups = legacy_groups(import);
  if (stored.size() != groups.size())
    throw FileError(
        fmt::format("{}: has weights of {} layers, its model has {} layers with weights", file.name(), stored.size(), groups.size()));
  for (size_t g = 0; g < groups.size(); ++g) {
    std::vector<std::string>& paths = stored[g].paths;
    if (groups[g].keras1) {
      take_keras1(file, stored[g].name, paths, groups[g], import);
      continue;
    }
    if (groups[g].normalization)
      std::erase_if(paths, [&](const std::string& path) { return file.dataset(path) && file.dataset(path)->dims.empty(); });
    if (paths.size() != groups[g].weights.size())
      throw FileError(fmt::format("{}: {}: has {} arrays, layer '{}' has {} weights", file.name(), stored[g].name, paths.size(),
                                  groups[g].name, groups[g].weights.size()));
    for (size_t w = 0; w < paths.size(); ++w) take(file, paths[w], *groups[g].weights[w], import.saved);
  }
}

}  // namespace dl
