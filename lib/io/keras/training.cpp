#include "io/keras/training.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "layers/losses.h"
#include "optimizers/optimizer.h"

namespace dl {
namespace {

using spec::Kind;
using spec::Node;

// ---- the optimizer's variables

const Node* find(const Node& node, std::string_view key) { return node.is_map() ? node.find(key) : nullptr; }

struct NamedObject {
  std::string class_name;
  const Node* config = nullptr;  // null: none
};

// "adam", {Adam: {...}}, {class_name, config}.
std::optional<NamedObject> object_of(const Node& node) {
  if (node.is_string()) return NamedObject{node.as_string(), nullptr};
  if (!node.is_map()) return std::nullopt;
  if (const Node* class_name = node.find("class_name")) {
    if (!class_name->is_string()) return std::nullopt;
    const Node* config = node.find("config");
    return NamedObject{class_name->as_string(), config && config->is_map() ? config : nullptr};
  }
  if (node.entries().size() != 1) return std::nullopt;
  const auto& [name, config] = node.entries()[0];
  return NamedObject{name, config.is_map() ? &config : nullptr};
}

// Classes that both have, as Keras writes them; "" for others.
std::string optimizer_class(std::string name) {
  if (name.starts_with("Custom>")) name.erase(0, 7);
  for (const OptimizerDef* def : optimizer_table()) {
    const std::string_view known = def->class_name;
    if (known.size() == name.size() &&
        std::equal(known.begin(), known.end(), name.begin(), [](unsigned char a, unsigned char b) { return (a | 0x20) == (b | 0x20); }))
      return def->class_name;
  }
  return "";
}

// As a training program has it; `why` says what is wrong where that is nothing.
std::optional<Optimizer> known_optimizer(const Node& node, std::string& why) {
  spec::Problems problems;
  Optimizer optimizer = read_optimizer(node, "optimizer", problems);
  if (!problems.empty()) why = problems.lines().front();
  return problems.empty() && optimizer.def ? std::optional(std::move(optimizer)) : std::nullopt;
}

struct SlotPlace {
  std::string slot;  // "dense/kernel/m"; "" where Keras has a variable that says nothing
  Dims dims;
  std::string keras2_name, keras3_name;
};

std::string with_underscores(std::string text) {
  std::replace(text.begin(), text.end(), '/', '_');
  return text;
}

// Keras's variables of an optimizer in its order, after the iterations and the learning rate.
std::vector<SlotPlace> slot_places(const Optimizer& optimizer, const std::vector<KerasWeight>& trainable, KerasVersion version) {
  std::vector<WeightInfo> weights;
  for (const KerasWeight& weight : trainable) weights.push_back({weight.name, to_shape(weight.dims)});
  std::vector<OptimizerState> state = optimizer_state(optimizer, weights, DType::kFloat32);
  const std::string name = optimizer.def->class_name;
  if (version == KerasVersion::k2) {
    // Keras 2 does not save scalars, and keeps zeros where there is no momentum.
    std::erase_if(state, [](const OptimizerState& s) { return s.name.empty() || s.weight.empty(); });
    if (name == "SGD" && optimizer.config.real("momentum") == 0)
      for (const WeightInfo& weight : weights) state.push_back({"", weight.name, "momentum", "m", weight.shape, DType::kFloat32});
  }
  std::vector<SlotPlace> places;
  for (const OptimizerState& s : state)
    places.push_back({s.name, known_dims(s.shape), fmt::format("{}/{}/{}:0", name, s.keras2_name, s.weight),
                      s.weight.empty() ? fmt::format("{}/{}", snake_case(name), s.keras_name)
                                       : fmt::format("{}/{}_{}", snake_case(name), with_underscores(s.weight), s.keras_name)});
  return places;
}

const Node* optimizer_of(const SavedModel& saved) { return find(saved.training, "optimizer"); }

// Nadam's product of momenta, which Keras 2 does not save.
void restore_product(const Optimizer& optimizer, std::map<std::string, Tensor>& slots) {
  if (!optimizer.def->shared || slots.contains(shared_slot(optimizer))) return;
  double product = 1;
  const int64_t steps = static_cast<int64_t>(slots.at(kStepName).at(0));
  for (int64_t t = 1; t <= std::min<int64_t>(steps, 100000) && product != 0; ++t)
    product *= optimizer.config.real("beta_1") * (1 - 0.5 * std::pow(0.96, static_cast<double>(t)));
  slots[shared_slot(optimizer)] = Tensor::scalar<float>(static_cast<float>(product));
}

void take_slots(Hdf5File& file, const std::vector<std::string>& paths, const Optimizer& optimizer, bool by_slot, KerasImport& import) {
  const auto warn = [&](const std::string& why) {
    import.saved.warnings.push_back(
        fmt::format("{}: the state of the optimizer {}; it is left out, and training begins without", file.name(), why));
  };
  const auto dims_of = [&](size_t i) { return file.dataset(paths[i])->dims; };
  for (const std::string& path : paths)
    if (!file.dataset(path) || !file.dataset(path)->problem.empty()) return warn(fmt::format("lacks {}", path));
  if (!optimizer.rules.empty()) return warn("is that of a MultiOptimizer, which is not read");
  // LossScaleOptimizer: its own iterations (always 0), learning rate (0), counter and scale; then those of the optimizer in it.
  const size_t base = optimizer.loss_scale ? 4 : 0;
  if (paths.size() <= base) return warn("does not begin with the number of steps");
  for (size_t i = 0; i <= base; ++i)
    if (!dims_of(i).empty()) return warn("does not begin with the number of steps");
  // The learning rate stands there, too, where it is a variable; the config has its value.
  size_t first = base + 1;
  const std::vector<KerasWeight> trainable = import.trainable();
  std::vector<SlotPlace> places = slot_places(optimizer, trainable, import.version);
  if (by_slot && !trainable.empty() && places.size() % trainable.size() == 0) {
    std::vector<SlotPlace> turned;
    const size_t slots = places.size() / trainable.size();
    for (size_t slot = 0; slot < slots; ++slot)
      for (size_t weight = 0; weight < trainable.size(); ++weight) turned.push_back(places[weight * slots + slot]);
    places = std::move(turned);
  }
  if (paths.size() == places.size() + first + 1 && dims_of(first).empty()) ++first;
  if (paths.size() != places.size() + first)
    return warn(fmt::format("has {} arrays, not the {} of the model's weights", paths.size() - first, places.size()));
  for (size_t i = 0; i < places.size(); ++i)
    if (dims_of(first + i) != places[i].dims)
      return warn(fmt::format("has the shape {} at {}, where the model's weight has {}",
                              to_string(std::span<const int64_t>(dims_of(first + i))), paths[first + i],
                              to_string(std::span<const int64_t>(places[i].dims))));
  std::map<std::string, Tensor> slots;
  slots[kStepName] = file.read(paths[base]).cast(DType::kInt64);
  if (optimizer.loss_scale) {
    slots[kLossScaleIterationName] = slots[kStepName];
    slots[kLossScaleCounterName] = file.read(paths[2]).cast(DType::kInt64);
    slots[kLossScaleName] = file.read(paths[3]).cast(DType::kFloat32);
  }
  for (size_t i = 0; i < places.size(); ++i)
    if (!places[i].slot.empty()) slots[places[i].slot] = file.read(paths[first + i]).cast(DType::kFloat32);
  restore_product(optimizer, slots);
  import.saved.slots = std::move(slots);
}

// ---- the words

// Python's objects without what only Keras's loader needs.
Node cleaned(const Node& node) {
  if (node.is_list()) {
    std::vector<Node> items;
    for (const Node& item : node.items()) items.push_back(cleaned(item));
    return Node::list(std::move(items));
  }
  if (!node.is_map()) return node;
  const bool object = node.find("class_name") && node.find("config");
  Node::Map entries;
  for (const auto& [key, value] : node.entries()) {
    if (object && key != "class_name" && key != "config") continue;
    entries.emplace_back(key, cleaned(value));
  }
  if (object && node.find("class_name")->is_string() && node.find("class_name")->as_string() == "__tuple__" &&
      node.find("config")->find("value"))
    return cleaned(*node.find("config")->find("value"));
  return Node::map(std::move(entries));
}

void drop(Node& config, std::initializer_list<std::string_view> keys) {
  std::erase_if(config.entries(), [&](const auto& entry) { return std::find(keys.begin(), keys.end(), entry.first) != keys.end(); });
}

void drop_if(Node& config, std::string_view key, const Node& value) {
  const Node* found = config.find(key);
  if (found && (*found == value || (found->is_number() && value.is_number() && found->as_double() == value.as_double())))
    drop(config, {key});
}

Node import_loss(const Node& given) {
  if (given.is_list()) {
    std::vector<Node> items;
    for (const Node& item : given.items()) items.push_back(import_loss(item));
    return items.size() == 1 ? items[0] : Node::list(std::move(items));
  }
  if (!given.is_map()) return given;
  if (!given.find("class_name")) {
    Node::Map entries;
    for (const auto& [key, value] : given.entries()) entries.emplace_back(key, import_loss(value));
    return Node::map(std::move(entries));
  }
  Node loss = given;
  const Node* class_name = loss.find("class_name");
  Node* config = loss.find("config");
  // A function of Python's module.
  if (class_name->is_string() && class_name->as_string() == "function" && config && config->is_string()) return *config;
  if (!config || !config->is_map()) return loss;
  if (class_name->is_string() && class_name->as_string() == "LossFunctionWrapper")
    if (const Node* fn = config->find("fn")) return *fn;
  // "fn" names the class's own function.
  drop(*config, {"name", "dtype", "fn"});
  for (const char* reduction : {"sum_over_batch_size", "auto"}) drop_if(*config, "reduction", Node::string(reduction));
  drop_if(*config, "ignore_class", Node());
  if (config->entries().empty()) return *loss.find("class_name");
  return loss;
}

// The optimizers of a MultiOptimizer.
template <class F>
void for_each_of_map(Node& config, const F& f) {
  Node* map = config.find("optimizer_map");
  if (!map || !map->is_map()) return;
  Node* inside = map->find("config");
  if (!inside) inside = map->find("OptimizerMap");
  if (!inside || !inside->is_map()) return;
  if (Node* fallback = inside->find("default_optimizer")) f(*fallback);
  if (Node* rules = inside->find("optimizer_map"); rules && rules->is_map())
    for (auto& [pattern, inner] : rules->entries()) f(inner);
}

Node import_optimizer(const Node& given) {
  Node optimizer = given;
  Node* config = optimizer.find("config");
  if (!config || !config->is_map()) return optimizer;
  if (Node* class_name = optimizer.find("class_name"); class_name && class_name->is_string())
    if (const std::string known = optimizer_class(class_name->as_string()); !known.empty()) *class_name = Node::string(known);
  for (auto& [key, value] : config->entries())
    if (key == "lr") key = "learning_rate";
  drop(*config, {"name", "is_legacy_optimizer", "jit_compile"});
  drop_if(*config, "decay", Node::real(0));
  drop_if(*config, "schedule_decay", Node::real(0.004));
  drop_if(*config, "use_ema", Node::boolean(false));
  // Elsewhere null is the default; a decay of null is none.
  std::erase_if(config->entries(), [](const auto& entry) {
    return entry.second.is_null() && !entry.first.ends_with("weight_decay") && entry.first != "rms_rate";
  });
  if (Node* inner = config->find("inner_optimizer")) *inner = import_optimizer(*inner);
  for_each_of_map(*config, [](Node& inner) { inner = import_optimizer(inner); });
  if (!config->find("use_ema")) drop(*config, {"ema_momentum", "ema_overwrite_frequency"});
  if (Node* rate = config->find("learning_rate"))
    if (Node* inner = rate->find("config"); inner && inner->is_map()) drop(*inner, {"name"});
  return optimizer;
}

// MeanMetricWrapper of a function of ours is that function.
Node import_metrics(const Node& given) {
  if (given.is_list()) {
    std::vector<Node> items;
    for (const Node& item : given.items()) items.push_back(import_metrics(item));
    return Node::list(std::move(items));
  }
  if (!given.is_map()) return given;
  if (!given.find("class_name")) {
    Node::Map entries;
    for (const auto& [key, value] : given.entries()) entries.emplace_back(key, import_metrics(value));
    return Node::map(std::move(entries));
  }
  Node metric = given;
  Node* config = metric.find("config");
  if (!config || !config->is_map()) return metric;
  if (const Node* fn = config->find("fn"); fn && fn->is_string()) return *fn;
  drop(*config, {"dtype"});
  // Elsewhere null is the default.
  std::erase_if(config->entries(), [](const auto& entry) { return entry.second.is_null() && entry.first != "class_aggregation"; });
  return metric;
}

Node flattened(const Node& metrics) {
  if (metrics.is_list() && metrics.items().size() == 1 && metrics.items()[0].is_list()) return metrics.items()[0];
  return metrics;
}

bool is_known_loss(const Node& loss, const Node* weights, const SavedModel& saved, std::string& why) {
  std::vector<std::string> outputs;
  for (const ModelOutput& output : saved.model.outputs) outputs.push_back(output.name);
  spec::Problems problems;
  read_losses(loss, weights, outputs, "loss", problems);
  if (!problems.empty()) why = problems.lines().front();
  return problems.empty();
}

// ---- writing

// Words that only older Kerases know.
constexpr std::pair<std::string_view, const char*> kOldNames[] = {{"logcosh", "log_cosh"},
                                                                  {"kullback_leibler_divergence", "kl_divergence"}};
constexpr std::string_view kOnlyKeras3Losses[] = {"Dice", "Tversky", "Circle", "CTC", "CategoricalGeneralizedCrossEntropy",
                                                  "dice", "tversky", "circle", "ctc", "categorical_generalized_cross_entropy"};

// {Class: {...}} and {class_name, config} as Keras's objects, "name" as it is. nullopt where `module` cannot have it.
std::optional<Node> export_object(const Node& node, const std::string& module, KerasVersion version) {
  const std::optional<NamedObject> named = object_of(node);
  if (version == KerasVersion::k2 && named &&
      std::find(std::begin(kOnlyKeras3Losses), std::end(kOnlyKeras3Losses), named->class_name) != std::end(kOnlyKeras3Losses))
    return std::nullopt;
  if (node.is_string()) {
    for (const auto& [old, now] : kOldNames)
      if (module == "keras.losses" && node.as_string() == old) return Node::string(now);
    return node;
  }
  const std::optional<NamedObject> object = object_of(node);
  if (!object || object->class_name == "expression") return std::nullopt;
  return keras_object(module, object->class_name, object->config ? *object->config : Node::map({}), version);
}

bool is_object(const Node& node, std::span<const ModelOutput> outputs) {
  if (!node.is_map() || node.find("class_name")) return true;
  return std::none_of(node.entries().begin(), node.entries().end(), [&](const auto& entry) {
    return std::any_of(outputs.begin(), outputs.end(), [&](const ModelOutput& o) { return o.name == entry.first; });
  });
}

// Keras 3 cannot read its own short names in a legacy .h5.
Node full_names(const Node& node) {
  static constexpr std::pair<std::string_view, const char*> kNames[] = {{"mse", "mean_squared_error"},  {"MSE", "mean_squared_error"},
                                                                        {"mae", "mean_absolute_error"}, {"MAE", "mean_absolute_error"},
                                                                        {"bce", "binary_crossentropy"}, {"BCE", "binary_crossentropy"}};
  if (node.is_string())
    for (const auto& [name, full] : kNames)
      if (node.as_string() == name) return Node::string(full);
  if (!node.is_list()) return node;
  std::vector<Node> items;
  for (const Node& item : node.items()) items.push_back(full_names(item));
  return Node::list(std::move(items));
}

// One object, or lists and maps of them.
std::optional<Node> export_objects(const Node& node, const std::string& module, KerasVersion version,
                                   std::span<const ModelOutput> outputs) {
  if (node.is_list()) {
    std::vector<Node> items;
    for (const Node& item : node.items()) {
      const std::optional<Node> made = export_objects(item, module, version, outputs);
      if (!made) return std::nullopt;
      items.push_back(*made);
    }
    return Node::list(std::move(items));
  }
  if (is_object(node, outputs)) return export_object(node, module, version);
  Node::Map entries;
  for (const auto& [key, value] : node.entries()) {
    const std::optional<Node> made = export_objects(value, module, version, {});
    if (!made) return std::nullopt;
    entries.emplace_back(key, *made);
  }
  return Node::map(std::move(entries));
}

std::optional<Node> export_rate(const Node& rate, KerasVersion version) {
  if (rate.is_number()) return Node::real(rate.as_double());
  const std::optional<NamedObject> object = object_of(rate);
  if (!object || !object->config) return std::nullopt;
  // Ours alone.
  if (const Node* warmup = object->config->find("warmup_steps"); warmup && !warmup->is_null() && object->class_name != "CosineDecay")
    return std::nullopt;
  if (object->config->find("warmup_from")) return std::nullopt;
  if (object->class_name == "Constant") {
    const Node* value = object->config->find("learning_rate");
    return value && value->is_number() ? std::optional(Node::real(value->as_double())) : std::nullopt;
  }
  return keras_object("keras.optimizers.schedules", object->class_name, *object->config, version);
}

std::optional<Node> export_optimizer(const Node& given, KerasVersion version) {
  std::string why;
  const std::optional<Optimizer> optimizer = known_optimizer(given, why);
  if (!optimizer) return std::nullopt;
  const std::optional<NamedObject> object = object_of(given);
  const std::string name = optimizer_class(object->class_name);
  Node config = object->config ? *object->config : Node::map({});
  if (const Node* inner = config.find("inner_optimizer")) {
    if (version == KerasVersion::k2) return std::nullopt;
    const std::optional<Node> made = export_optimizer(*inner, version);
    if (!made) return std::nullopt;
    config.set("inner_optimizer", *made);
    return keras_object("keras.optimizers", name, std::move(config), version);
  }
  if (!optimizer->rules.empty()) {
    if (version == KerasVersion::k2) return std::nullopt;
    bool all = true;
    for_each_of_map(config, [&](Node& inner) {
      const std::optional<Node> made = export_optimizer(inner, version);
      all = all && made;
      if (made) inner = *made;
    });
    const std::optional<NamedObject> map = object_of(*config.find("optimizer_map"));
    if (!all || !map || !map->config) return std::nullopt;
    config.set("optimizer_map", keras_object("keras.optimizers", "OptimizerMap", Node(*map->config), version));
    return keras_object("keras.optimizers", name, std::move(config), version);
  }
  if (version == KerasVersion::k2) {
    const auto given_key = [&](const char* key) { return optimizer->config.given(key); };
    if (!optimizer->def->in_keras2 || given_key("loss_scale_factor") || given_key("gradient_accumulation_steps")) return std::nullopt;
    drop(config, {"loss_scale_factor", "gradient_accumulation_steps", "relative_step_size"});
  }
  for (auto& [key, value] : config.entries()) {
    if (key != "learning_rate") continue;
    const std::optional<Node> rate = export_rate(value, version);
    if (!rate) return std::nullopt;
    value = *rate;
  }
  if (!config.find("learning_rate")) config.set("learning_rate", Node::real(optimizer->def->default_learning_rate));
  if (version == KerasVersion::k3) return keras_object("keras.optimizers", name, std::move(config), version);
  // Without this, tf-keras takes the class of that name before 2.11, which orders its variables otherwise.
  config.set("is_legacy_optimizer", Node::boolean(false));
  const bool custom = name == "AdamW" || name == "Adafactor" || name == "Lion";
  return keras_object("keras.optimizers", custom ? "Custom>" + name : name, std::move(config), version);
}

struct SlotValues {
  std::string optimizer;                             // its class
  std::vector<std::pair<std::string, Tensor>> head;  // Keras 3's names and values of what comes first
  std::vector<std::pair<SlotPlace, Tensor>> slots;
};

std::optional<SlotValues> slot_values(const SavedModel& saved, const KerasExport& model) {
  const Node* given = optimizer_of(saved);
  const auto step = saved.slots.find(kStepName);
  if (!given || step == saved.slots.end() || write_training(saved, model.version, false).is_null()) return std::nullopt;
  std::string why;
  const std::optional<Node> written = export_optimizer(*given, model.version);
  const std::optional<Optimizer> optimizer = known_optimizer(*given, why);
  if (!written || !optimizer || !optimizer->rules.empty()) return std::nullopt;
  SlotValues values;
  values.optimizer = optimizer->def->class_name;
  const auto add = [&](const char* name, Tensor value) { values.head.emplace_back(name, std::move(value)); };
  const auto scalar_of = [](const Tensor& t, DType dtype) { return t.cast(dtype).reshaped({}); };
  Tensor iteration = scalar_of(step->second, DType::kInt64);
  const Node* config = written->find("config");
  if (optimizer->loss_scale) {
    for (const char* name : {kLossScaleName, kLossScaleCounterName, kLossScaleIterationName})
      if (!saved.slots.contains(name)) return std::nullopt;
    add("loss_scale_iteration", Tensor(DType::kInt64, {}));
    add("loss_scale_learning_rate", Tensor(DType::kFloat32, {}));
    add("step_counter", scalar_of(saved.slots.at(kLossScaleCounterName), DType::kInt64));
    add("dynamic_scale", scalar_of(saved.slots.at(kLossScaleName), DType::kFloat32));
    iteration = scalar_of(saved.slots.at(kLossScaleIterationName), DType::kInt64);
    config = config->find("inner_optimizer")->find("config");
  }
  add("iteration", iteration);
  const Node& rate = *config->find("learning_rate");
  if (model.version == KerasVersion::k3 && rate.is_number())
    add("learning_rate", Tensor::scalar<float>(static_cast<float>(rate.as_double())));
  for (SlotPlace& place : slot_places(*optimizer, model.trainable(), model.version)) {
    Tensor tensor(DType::kFloat32, place.dims);
    if (!place.slot.empty()) {
      const auto found = saved.slots.find(place.slot);
      if (found == saved.slots.end() || found->second.dims() != place.dims) return std::nullopt;
      tensor = found->second;
    }
    values.slots.emplace_back(std::move(place), std::move(tensor));
  }
  return values;
}

}  // namespace

void read_training(const spec::Node& compile_config, KerasImport& import) {
  if (!compile_config.is_map()) return;
  SavedModel& saved = import.saved;
  const auto warn = [&](const std::string& message) { saved.warnings.push_back(message); };
  spec::Node::Map training;
  const auto get = [&](const char* key) {
    const spec::Node* value = compile_config.find(key);
    return value && !value->is_null() ? std::optional(cleaned(*value)) : std::nullopt;
  };
  const std::optional<spec::Node> weights = get("loss_weights");
  if (const auto given = get("loss")) {
    const spec::Node loss = import_loss(*given);
    std::string why;
    if (is_known_loss(loss, weights ? &*weights : nullptr, saved, why)) {
      training.emplace_back("loss", loss);
      if (weights) training.emplace_back("loss_weights", *weights);
    } else {
      warn(fmt::format("the file's loss is left out ({}); name one to train on", why));
    }
  }
  std::optional<spec::Node> optimizer = get("optimizer");
  if (!optimizer) optimizer = get("optimizer_config");
  if (optimizer) {
    const std::optional<NamedObject> object = object_of(*optimizer);
    if (object && !optimizer_class(object->class_name).empty()) {
      spec::Node imported = import_optimizer(*optimizer);
      std::string why;
      if (known_optimizer(imported, why)) {
        training.emplace_back("optimizer", std::move(imported));
      } else {
        warn(fmt::format("the file's optimizer is left out ({}); name one to train on", why));
      }
    } else {
      warn(fmt::format("the file's optimizer {} is not known; name one to train on", object ? "'" + object->class_name + "'" : ""));
    }
  }
  if (const auto metrics = get("metrics")) {
    spec::Node imported = import_metrics(*metrics);
    if (saved.model.outputs.size() == 1) imported = flattened(imported);
    training.emplace_back("metrics", std::move(imported));
  }
  if (!training.empty()) saved.training = spec::Node::map(std::move(training));
}

void read_object_slots(Hdf5File& file, KerasImport& import) {
  if (!file.has_group("optimizer/vars")) return;
  const spec::Node* node = optimizer_of(import.saved);
  std::string why;
  const std::optional<Optimizer> optimizer = node ? known_optimizer(*node, why) : std::nullopt;
  if (!optimizer) return;  // said already
  std::vector<std::string> paths;
  for (size_t i = 0; file.dataset(fmt::format("optimizer/vars/{}", i)); ++i) paths.push_back(fmt::format("optimizer/vars/{}", i));
  take_slots(file, paths, *optimizer, false, import);
}

void read_legacy_slots(Hdf5File& file, KerasImport& import) {
  const auto names = file.texts("optimizer_weights", "weight_names");
  const spec::Node* node = optimizer_of(import.saved);
  std::string why;
  const std::optional<Optimizer> optimizer = node ? known_optimizer(*node, why) : std::nullopt;
  if (!names || names->empty() || !optimizer) return;
  std::vector<std::string> paths;
  for (const std::string& name : *names) paths.push_back("optimizer_weights/" + name);
  // Keras before 2.11: "Adam/dense/kernel/m:0", slot by slot.
  const bool by_slot = names->size() > 1 && (names->at(1).ends_with("/m:0") || names->at(1).starts_with("training/"));
  take_slots(file, paths, *optimizer, by_slot, import);
}

spec::Node write_training(const SavedModel& saved, KerasVersion version, bool legacy) {
  const spec::Node *loss = find(saved.training, "loss"), *optimizer = find(saved.training, "optimizer");
  if (!loss || loss->is_null()) return {};
  static const spec::Node kAdam = spec::Node::string("adam");
  const std::optional<spec::Node> made_loss = export_objects(*loss, "keras.losses", version, saved.model.outputs);
  const std::optional<spec::Node> made_optimizer = export_optimizer(optimizer && !optimizer->is_null() ? *optimizer : kAdam, version);
  if (!made_loss || !made_optimizer) return {};
  const auto entry = [&](const char* key) {
    const spec::Node* value = find(saved.training, key);
    return value ? *value : spec::Node();
  };
  const std::optional<spec::Node> metrics = export_objects(entry("metrics"), "keras.metrics", version, saved.model.outputs);
  spec::Node::Map config;
  if (!legacy) config.emplace_back("optimizer", *made_optimizer);
  config.emplace_back("loss", legacy ? full_names(*made_loss) : *made_loss);
  config.emplace_back("loss_weights", entry("loss_weights"));
  config.emplace_back("metrics", metrics ? (legacy ? full_names(*metrics) : *metrics) : spec::Node());
  config.emplace_back("weighted_metrics", spec::Node());
  if (legacy) {
    config.emplace_back("optimizer_config", *made_optimizer);
  } else {
    config.emplace_back("run_eagerly", spec::Node::boolean(false));
    config.emplace_back("steps_per_execution", spec::Node::integer(1));
    config.emplace_back("jit_compile", spec::Node::boolean(false));
  }
  return spec::Node::map(std::move(config));
}

void write_object_slots(Hdf5Output& file, const SavedModel& saved, const KerasExport& model) {
  const std::optional<SlotValues> values = slot_values(saved, model);
  if (!values) return;
  int number = 0;
  const auto add = [&](const Tensor& tensor) { file.add_dataset(fmt::format("optimizer/vars/{}", number++), tensor); };
  for (const auto& [name, tensor] : values->head) add(tensor);
  for (const auto& [place, tensor] : values->slots) add(tensor);
}

void write_legacy_slots(Hdf5Output& file, const SavedModel& saved, const KerasExport& model) {
  const std::optional<SlotValues> values = slot_values(saved, model);
  if (!values) return;
  std::vector<std::string> names;
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    names.push_back(name);
    file.add_dataset("optimizer_weights/" + name, tensor);
  };
  const bool old = model.version == KerasVersion::k2;
  const std::string prefix = snake_case(values->optimizer);
  for (const auto& [name, tensor] : values->head) add(old ? name + ":0" : prefix + "/" + name, tensor);
  for (const auto& [place, tensor] : values->slots) add(old ? place.keras2_name : place.keras3_name, tensor);
  file.set_texts("optimizer_weights", "weight_names", names);
}

}  // namespace dl
