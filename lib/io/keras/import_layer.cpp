#include <algorithm>

#include "io/keras/layer_config.h"

namespace dl {
namespace {

using spec::Node;

bool is_text(const Node* node, std::string_view text) { return node && node->is_string() && node->as_string() == text; }

void erase(Node& map, std::string_view key) {
  std::erase_if(map.entries(), [&](const auto& entry) { return entry.first == key; });
}

void rename(Node& map, std::string_view from, std::string_view to) {
  for (auto& [key, value] : map.entries())
    if (key == from) key = to;
}

// Python's containers written as objects: arrays, tuples, shapes become lists.
Node plain(const Node& node) {
  if (node.is_list()) {
    std::vector<Node> items;
    for (const Node& item : node.items()) items.push_back(plain(item));
    return Node::list(std::move(items));
  }
  if (!node.is_map()) return node;
  const Node* class_name = node.find("class_name");
  if (is_text(class_name, "__tuple__") || is_text(class_name, "TensorShape"))
    if (const Node* items = node.find("items")) return plain(*items);
  if (is_text(class_name, "__numpy__") || is_text(class_name, "__tensor__"))
    if (const Node* config = node.find("config"))
      if (const Node* value = config->find("value")) return plain(*value);
  Node::Map entries;
  for (const auto& [key, value] : node.entries()) entries.emplace_back(key, plain(value));
  return Node::map(std::move(entries));
}

// A name, or a function object {class_name: "function", config: name}.
Node import_activation(const Node& given, KerasVersion version) {
  Node name = given;
  if (const Node* config = given.find("config"); config && config->is_string() && is_text(given.find("class_name"), "function"))
    name = *config;
  if (!name.is_string()) return name;
  if (name.as_string() == "softmax_v2") return Node::string("softmax");
  if (name.as_string() == "hard_sigmoid" && version == KerasVersion::k2) return Node::string("hard_sigmoid_v2");
  return name;
}

Node import_initializer(Node given) {
  Node* config = given.find("config");
  if (!config || !config->is_map()) return given;
  erase(*config, "dtype");
  // Before Keras 2.2.3 there was one normal distribution for it, the truncated one.
  if (Node* distribution = config->find("distribution"); is_text(distribution, "normal")) *distribution = Node::string("truncated_normal");
  return given;
}

// {class_name, config} of a wrapped layer.
Node import_child(const Node& given, KerasVersion version, bool bidirectional) {
  const Node *class_name = given.find("class_name"), *config = given.find("config");
  if (!class_name || !class_name->is_string() || !config || !config->is_map()) return given;
  Node child = import_layer_config(class_name->as_string(), *config, version);
  if (bidirectional) erase(child, "zero_output_for_mask");  // it sets that itself
  if (const Node* name = config->find("name")) child.set("name", *name);
  return Node::map({{class_name->as_string(), std::move(child)}});
}

void import_special_keys(std::string_view name, Node& config, KerasVersion version) {
  const auto drop = [&](std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) erase(config, key);
  };
  if (name == "BatchNormalization") {
    if (Node* axis = config.find("axis"); axis && axis->is_list() && axis->items().size() == 1) *axis = Node(axis->items()[0]);
  } else if (name == "LeakyReLU") {
    rename(config, "alpha", "negative_slope");
  } else if (name == "DepthwiseConv2D" || name == "DepthwiseConv1D") {
    drop({"filters", "kernel_initializer", "kernel_regularizer", "kernel_constraint"});
    if (const Node* groups = config.find("groups"); groups && groups->kind() == spec::Kind::kInt && groups->as_int() == 1)
      erase(config, "groups");
  } else if (name == "SeparableConv1D" || name == "SeparableConv2D") {
    drop({"kernel_initializer", "kernel_regularizer", "kernel_constraint"});
    if (const Node* groups = config.find("groups"); groups && groups->kind() == spec::Kind::kInt && groups->as_int() == 1)
      erase(config, "groups");
  } else if (name == "Conv2DTranspose" || name == "Conv1DTranspose" || name == "Conv3DTranspose") {
    if (const Node* groups = config.find("groups"); groups && groups->kind() == spec::Kind::kInt && groups->as_int() == 1)
      erase(config, "groups");
  } else if (name == "MultiHeadAttention") {
    drop({"query_shape", "key_shape", "value_shape"});
    if (const Node* robust = config.find("softmax_robust_masking"); robust && *robust == Node::boolean(false))
      erase(config, "softmax_robust_masking");
  } else if (version == KerasVersion::k2 && name.starts_with("Random")) {
    drop({"rng_type"});
  } else if (name == "Bidirectional" || name == "TimeDistributed" || name == "SpectralNormalization") {
    for (const char* key : {"layer", "backward_layer"})
      if (Node* child = config.find(key); child && child->is_map()) *child = import_child(*child, version, name == "Bidirectional");
  } else if (name.starts_with("SpatialDropout")) {
    if (const Node* shape = config.find("noise_shape"); shape && shape->is_null()) erase(config, "noise_shape");
  } else if (name == "RNN" || name == "StackedRNNCells" || name == "Pipeline") {
    for (const char* key : {"cell", "cells", "layers"}) {
      Node* cells = config.find(key);
      if (!cells) continue;
      if (cells->is_map()) *cells = import_child(*cells, version, false);
      if (cells->is_list())
        for (Node& cell : cells->items()) cell = import_child(cell, version, false);
    }
  } else if (name == "GRU" && version == KerasVersion::k2 && !config.find("reset_after")) {
    config.set("reset_after", Node::boolean(false));  // before it was a choice
  }
}

}  // namespace

std::string import_dtype(const spec::Node& config) {
  const spec::Node* dtype = config.find("dtype");
  if (!dtype) return "";
  if (dtype->is_string()) return dtype->as_string();
  const spec::Node *policy = dtype->find("config"), *name = policy ? policy->find("name") : nullptr;
  return name && name->is_string() ? name->as_string() : dtype->is_null() ? "" : "unknown";
}

spec::Node import_layer_config(std::string_view class_name, const spec::Node& given, KerasVersion version) {
  spec::Node config = plain(given);
  const std::string dtype = import_dtype(given);
  for (const char* key : {"name", "dtype", "batch_input_shape", "batch_shape", "input_dtype", "build_config"}) erase(config, key);
  if (const spec::Node* trainable = config.find("trainable"); trainable && *trainable == spec::Node::boolean(true))
    erase(config, "trainable");
  import_special_keys(class_name, config, version);
  if (const LayerDef* def = find_layer_def(class_name)) {
    for (const ConfigKey& key : def->keys) {
      spec::Node* value = config.find(key.name);
      if (!value) continue;
      if (key.kind == KeyKind::kActivation) *value = import_activation(*value, version);
      if (key.kind == KeyKind::kInitializer) *value = import_initializer(std::move(*value));
    }
  }
  // The policy of these says the type of what they give out.
  const bool integers = (class_name == "Hashing" || class_name == "HashedCrossing") && dtype.starts_with("int");
  if (!dtype.empty() && !integers) config.set("dtype", spec::Node::string(dtype));
  return config;
}

}  // namespace dl
