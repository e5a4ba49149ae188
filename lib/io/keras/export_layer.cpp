#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include "io/keras/layer_config.h"

namespace dl {
namespace {

using spec::Kind;
using spec::Node;

// Keys of our layers that are no keys of Keras's config in that version. `value`: the one that Keras acts upon without the key; any
// other cannot be written.
struct MissingKey {
  KerasVersion version;
  std::string_view class_name;  // "": every class
  std::string_view key;
  bool harmless;  // whatever its value
};
constexpr MissingKey kMissing[] = {
    {KerasVersion::k2, "", "zero_output_for_mask", false},
    {KerasVersion::k2, "", "use_gate", false},
    {KerasVersion::k2, "", "sliding_window", false},
    {KerasVersion::k2, "", "rms_scaling", false},
    {KerasVersion::k2, "", "lora_rank", true},
    {KerasVersion::k2, "", "lora_alpha", true},
    {KerasVersion::k2, "", "quantization_config", true},
    {KerasVersion::k2, "", "use_cudnn", true},
    {KerasVersion::k2, "", "flash_attention", true},
    {KerasVersion::k2, "BatchNormalization", "renorm", true},
    {KerasVersion::k2, "BatchNormalization", "renorm_clipping", true},
    {KerasVersion::k2, "BatchNormalization", "renorm_momentum", true},
    {KerasVersion::k2, "BatchNormalization", "synchronized", true},
    {KerasVersion::k2, "ZeroPadding1D", "data_format", false},
    {KerasVersion::k2, "SpatialDropout1D", "data_format", false},
    {KerasVersion::k2, "SpatialDropout2D", "data_format", false},
    {KerasVersion::k2, "SpatialDropout3D", "data_format", false},
    {KerasVersion::k2, "AlphaDropout", "noise_shape", false},
    // The numbers drawn are others in any case.
    {KerasVersion::k2, "Attention", "seed", true},
    {KerasVersion::k2, "AdditiveAttention", "seed", true},
    {KerasVersion::k2, "MultiHeadAttention", "seed", true},
    {KerasVersion::k2, "LSTM", "seed", true},
    {KerasVersion::k2, "GRU", "seed", true},
    {KerasVersion::k2, "SimpleRNN", "seed", true},
    {KerasVersion::k2, "ConvLSTM1D", "seed", true},
    {KerasVersion::k2, "ConvLSTM2D", "seed", true},
    {KerasVersion::k2, "ConvLSTM3D", "seed", true},
    {KerasVersion::k2, "LSTMCell", "seed", true},
    {KerasVersion::k2, "GRUCell", "seed", true},
    {KerasVersion::k2, "SimpleRNNCell", "seed", true},
    {KerasVersion::k3, "", "time_major", true},
    {KerasVersion::k3, "", "implementation", true},
    {KerasVersion::k3, "", "use_cudnn", true},
    {KerasVersion::k3, "", "flash_attention", true},
    {KerasVersion::k3, "", "quantization_config", true},
    {KerasVersion::k3, "", "lora_rank", true},
    {KerasVersion::k3, "", "lora_alpha", true},
    {KerasVersion::k3, "", "rms_scaling", true},
    {KerasVersion::k3, "BatchNormalization", "renorm", true},
    {KerasVersion::k3, "BatchNormalization", "renorm_clipping", true},
    {KerasVersion::k3, "BatchNormalization", "renorm_momentum", true},
    {KerasVersion::k3, "BatchNormalization", "synchronized", true},
    {KerasVersion::k2, "", "gptq_unpacked_column_size", true},
    {KerasVersion::k3, "", "gptq_unpacked_column_size", true},
    {KerasVersion::k3, "SpatialDropout1D", "data_format", true},
    {KerasVersion::k3, "Embedding", "input_length", true},
    {KerasVersion::k3, "Dense", "activity_regularizer", false},
};

// Arguments of the call in Keras; keys of the layer here.
constexpr std::string_view kCallKeys[] = {"use_causal_mask", "return_attention_scores", "reverse"};

// Classes that Keras 2 does not have, or with other keys and numbers.
constexpr std::string_view kOnlyKeras3[] = {"ReversibleEmbedding",
                                            "SpectralNormalization",  // tf-keras has it and cannot load it

                                            "CustomScaleLayer",
                                            "StochasticDepth",
                                            "LayerScale",
                                            "AdaptiveAveragePooling1D",
                                            "AdaptiveAveragePooling2D",
                                            "AdaptiveAveragePooling3D",
                                            "AdaptiveMaxPooling1D",
                                            "AdaptiveMaxPooling2D",
                                            "AdaptiveMaxPooling3D",
                                            "GroupQueryAttention",
                                            "RMSNormalization",
                                            "Resizing",
                                            "CenterCrop",
                                            "RandomFlip",
                                            "RandomCrop",
                                            "RandomTranslation",
                                            "RandomRotation",
                                            "RandomZoom",
                                            "RandomShear",
                                            "RandomPerspective",
                                            "RandomContrast",
                                            "RandomBrightness",
                                            "RandomSaturation",
                                            "RandomHue",
                                            "RandomColorJitter",
                                            "RandomColorDegeneration",
                                            "RandomGrayscale",
                                            "RandomInvert",
                                            "RandomPosterization",
                                            "RandomSharpness",
                                            "RandomGaussianBlur",
                                            "RandomErasing",
                                            "Solarization",
                                            "AutoContrast",
                                            "MixUp",
                                            "CutMix",
                                            "MelSpectrogram",
                                            "STFTSpectrogram",
                                            "CategoryEncoding",
                                            "Discretization",
                                            "IntegerLookup",
                                            "Hashing",
                                            "HashedCrossing",
                                            "Equalization",
                                            "ContrastLimitedAdaptiveHistogramEqualization",
                                            "RandAugment",
                                            "AugMix",
                                            "RandomElasticTransform",
                                            "Pipeline"};

// Activations that one version alone has, by our names.
constexpr std::string_view kOnlyKeras3Activations[] = {
    "celu",        "glu",         "hard_silu",   "hard_swish", "hard_tanh",      "hard_shrink", "soft_shrink",
    "tanh_shrink", "log_sigmoid", "sparse_plus", "squareplus", "sparse_sigmoid", "sparsemax"};

template <class Range>
bool contains(const Range& range, std::string_view name) {
  return std::find(std::begin(range), std::end(range), name) != std::end(range);
}

bool is_default(const Node& value, const ConfigKey& key) {
  if (value.is_null() || value == key.fallback) return true;
  return value.is_number() && key.fallback.is_number() && value.as_double() == key.fallback.as_double();
}

const MissingKey* find_missing(std::string_view class_name, std::string_view key, KerasVersion version) {
  for (const MissingKey& row : kMissing)
    if (row.version == version && row.key == key && (row.class_name.empty() || row.class_name == class_name)) return &row;
  return nullptr;
}

Node without_nulls(const Node& config, std::initializer_list<std::string_view> keys) {
  Node::Map entries;
  for (const auto& [key, value] : config.entries())
    if (!value.is_null() || std::find(keys.begin(), keys.end(), key) == keys.end()) entries.emplace_back(key, value);
  return Node::map(std::move(entries));
}

Node export_initializer(const Node& given, KerasVersion version) {
  if (given.is_null()) return given;
  Node config = without_nulls(*given.find("config"), {"input_axes", "output_axes"});
  return keras_object("keras.initializers", given.find("class_name")->as_string(), std::move(config), version);
}

// Keras 2, Deeplearning4j and TF.js all know L1L2.
Node export_regularizer(const Node& given, KerasVersion version) {
  if (given.is_null()) return given;
  const Node& config = *given.find("config");
  std::string class_name = given.find("class_name")->as_string();
  Node written = config;
  if (version == KerasVersion::k2 && !config.find("mode")) {
    const auto part = [&](const char* key) { return Node::real(config.find(key) ? config.find(key)->as_double() : 0); };
    written = Node::map({{"l1", part("l1")}, {"l2", part("l2")}});
    class_name = "L1L2";
  }
  return keras_object("keras.regularizers", class_name, std::move(written), version);
}

Node export_constraint(const Node& given, KerasVersion version) {
  return given.is_null() ? given : keras_object("keras.constraints", given.find("class_name")->as_string(), *given.find("config"), version);
}

Node export_activation(const Node& given, KerasVersion version) {
  const std::string& name = given.as_string();
  if (version == KerasVersion::k2 && name == "hard_sigmoid_v2") return Node::string("hard_sigmoid");
  if (version == KerasVersion::k2 && name == "silu") return Node::string("swish");
  return given;
}

// "" when the version has it.
std::string why_not_activation(const std::string& name, KerasVersion version) {
  if (version == KerasVersion::k3 && name == "hard_sigmoid_v2")
    return "the hard_sigmoid of Keras 1 and 2, clip(0.2 x + 0.5, 0, 1), is not that of Keras 3; write --keras-version 2";
  if (version == KerasVersion::k2 && name == "hard_sigmoid")
    return "the hard_sigmoid of Keras 3, relu6(x + 3) / 6, is not that of Keras 2; write --keras-version 3";
  if (version == KerasVersion::k2 && contains(kOnlyKeras3Activations, name))
    return fmt::format("the activation '{}' is not known to Keras 2; write --keras-version 3", name);
  return "";
}

Node export_value(const Node& value, const ConfigKey& key, KerasVersion version) {
  switch (key.kind) {
    case KeyKind::kInitializer:
      return export_initializer(value, version);
    case KeyKind::kRegularizer:
      return export_regularizer(value, version);
    case KeyKind::kConstraint:
      return export_constraint(value, version);
    case KeyKind::kActivation:
      return export_activation(value, version);
    default:
      return value;
  }
}

std::string dtype_of(const Layer& layer, const std::string& outer) {
  const std::string name = layer.dtype.empty() ? outer : layer.dtype;
  // Ours keeps the variables in float32.
  return name == "bfloat16" ? "mixed_bfloat16" : name.empty() ? "float32" : name;
}

// The layer that was wrapped, under the name it had there.
std::string wrapped_name(const Layer& wrapper, const char* key, const Layer& child) {
  const Node* given = wrapper.config.values().find(key);
  if (given && given->is_map()) {
    const Node* config = given->find("config");
    if (!config && given->entries().size() == 1) config = &given->entries()[0].second;
    if (const Node* name = config ? config->find("name") : nullptr; name && name->is_string()) return name->as_string();
  }
  const std::string prefix = std::string_view(key) == "backward_layer" ? "backward_" : "forward_";
  return child.name.starts_with(prefix) ? child.name.substr(prefix.size()) : child.name;
}

Node export_config(const Layer& layer, const std::string& name, const std::string& outer_dtype, KerasVersion version);

Node export_child(const Layer& child, const std::string& name, const std::string& dtype, KerasVersion version) {
  return keras_object(child.def->keras_module, child.def->class_name, export_config(child, name, dtype, version), version);
}

// Whether Keras makes this very backward layer from the forward one.
bool is_mirror(const Layer& forward, const Layer& backward) {
  if (forward.def != backward.def || forward.trainable != backward.trainable || forward.dtype != backward.dtype) return false;
  Config flipped = forward.config;
  flipped.set("go_backwards", Node::boolean(!forward.config.flag("go_backwards")));
  return flipped.values() == backward.config.values();
}

void export_children(const Layer& layer, const std::string& dtype, KerasVersion version, Node& config) {
  const std::string_view class_name = layer.def->class_name;
  if (class_name == "Bidirectional") {
    const Layer &forward = *layer.children.at("forward_layer"), &backward = *layer.children.at("backward_layer");
    const std::string name = wrapped_name(layer, "layer", forward);
    config.set("layer", export_child(forward, name, dtype, version));
    const std::string other = wrapped_name(layer, "backward_layer", backward);
    const bool same_name = !layer.config.given("backward_layer") || backward.name == "backward_" + name;
    if (is_mirror(forward, backward) && same_name) {
      std::erase_if(config.entries(), [](const auto& entry) { return entry.first == "backward_layer"; });
    } else {
      config.set("backward_layer", export_child(backward, other, dtype, version));
    }
    if (layer.config.text("merge_mode") == "none") config.set("merge_mode", Node());
  } else if (class_name == "TimeDistributed" || class_name == "SpectralNormalization") {
    const Layer& child = *layer.children.at("layer");
    config.set("layer", export_child(child, child.name, dtype, version));
  } else if (class_name == "RNN") {
    const Layer& cell = *layer.children.at("cell");
    config.set("cell", export_child(cell, cell.name, dtype, version));
  } else if (class_name == "StackedRNNCells") {
    std::vector<Node> cells;
    for (size_t i = 0; i < layer.children.size(); ++i) {
      const Layer& cell = *layer.children.at(fmt::format("cells{}", i));
      cells.push_back(export_child(cell, cell.name, dtype, version));
    }
    config.set("cells", Node::list(std::move(cells)));
  } else if (class_name == "Pipeline") {
    std::vector<Node> layers;
    for (size_t i = 0; i < layer.children.size(); ++i) {
      const Layer& child = *layer.children.at(fmt::format("layers{}", i));
      layers.push_back(export_child(child, child.name, dtype, version));
    }
    config.set("layers", Node::list(std::move(layers)));
  }
}

void export_special_keys(const Layer& layer, KerasVersion version, Node& config) {
  const std::string_view name = layer.def->class_name;
  const auto set_if_null = [&](const char* key, Node value) {
    if (const Node* found = config.find(key); !found || found->is_null()) config.set(key, std::move(value));
  };
  const auto single = [&](const char* key) {
    if (Node* value = config.find(key); value && value->is_list() && value->items().size() == 1) *value = Node(value->items()[0]);
  };
  if (name == "Softmax" || name == "LayerNormalization" || name == "RMSNormalization" || name == "UnitNormalization") single("axis");
  if (name == "Normalization") {
    if (layer.config.node("axis").is_list() && layer.config.node("axis").items().empty()) config.set("axis", Node());
  }
  // Bins are integers, which the policy has to say.
  if ((name == "Hashing" || name == "HashedCrossing") && layer.config.text("output_mode") == "int")
    config.set("dtype", Node::string("int64"));
  if (name == "Pipeline") std::erase_if(config.entries(), [](const auto& entry) { return entry.first == "dtype"; });
  // Their constructors take no more in Keras 3.
  if (version == KerasVersion::k3 &&
      (name.starts_with("SpatialDropout") || name == "Discretization" || name == "HashedCrossing" || name == "Pipeline"))
    std::erase_if(config.entries(), [](const auto& entry) { return entry.first == "trainable"; });
  if (version == KerasVersion::k3) return;
  if (name == "LeakyReLU") {
    for (auto& [key, value] : config.entries())
      if (key == "negative_slope") key = "alpha";
  }
  if (config.find("time_major")) {
    config.set("time_major", Node::boolean(false));
    set_if_null("unroll", Node::boolean(false));
  }
  if (config.find("implementation") && (name == "LSTM" || name == "GRU" || name == "LSTMCell" || name == "GRUCell"))
    set_if_null("implementation", Node::integer(2));
  else
    std::erase_if(config.entries(), [](const auto& entry) { return entry.first == "implementation"; });
  if (name.find("DepthwiseConv") == 0 || name.find("SeparableConv") == 0 || name.find("Transpose") != std::string_view::npos)
    set_if_null("groups", Node::integer(1));
  if (name == "Conv3DTranspose") std::erase_if(config.entries(), [](const auto& entry) { return entry.first == "dilation_rate"; });
}

Node export_config(const Layer& layer, const std::string& name, const std::string& outer_dtype, KerasVersion version) {
  const std::string dtype = dtype_of(layer, outer_dtype);
  Node config = Node::map({{"name", Node::string(name)}, {"trainable", Node::boolean(layer.trainable)}, {"dtype", Node::string(dtype)}});
  for (const ConfigKey& key : layer.def->keys) {
    if (contains(kCallKeys, key.name)) continue;
    const Node& value = layer.config.node(key.name);
    const MissingKey* missing = find_missing(layer.def->class_name, key.name, version);
    if (missing && (missing->harmless || is_default(value, key))) continue;
    // Given to a constructor and not kept.
    if (key.name == "weights" || key.kind == KeyKind::kLayer) continue;
    config.set(key.name, export_value(value, key, version));
  }
  export_special_keys(layer, version, config);
  export_children(layer, dtype, version, config);
  return config;
}

std::string why_not_key(const Layer& layer, const ConfigKey& key, KerasVersion version) {
  const Node& value = layer.config.node(key.name);
  if (key.kind == KeyKind::kActivation) return why_not_activation(value.as_string(), version);
  const MissingKey* missing = find_missing(layer.def->class_name, key.name, version);
  if (missing && !missing->harmless && !is_default(value, key) && version == KerasVersion::k2)
    return fmt::format("'{}' is not known to Keras 2; write --keras-version 3", key.name);
  return "";
}

}  // namespace

std::string weight_group_name(const std::string& class_name) {
  return class_name == "GroupQueryAttention" ? "grouped_query_attention" : snake_case(class_name);
}

spec::Node keras_object(const std::string& module, const std::string& class_name, spec::Node config, KerasVersion version) {
  spec::Node object = spec::Node::map({});
  if (version == KerasVersion::k3) object.set("module", spec::Node::string(module));
  object.set("class_name", spec::Node::string(class_name));
  object.set("config", std::move(config));
  if (version == KerasVersion::k3) object.set("registered_name", spec::Node());
  return object;
}

spec::Node export_layer_config(const Layer& layer, KerasVersion version) { return export_config(layer, layer.name, "", version); }

std::string why_not_keras(const Layer& layer, KerasVersion version) {
  const std::string_view name = layer.def->class_name;
  if (name == "Graph") return "holds operators, which Keras has no layers for; write ONNX";
  if (version == KerasVersion::k2 && contains(kOnlyKeras3, name))
    return "is not known to Keras 2, or is another layer there; write --keras-version 3";
  if (version == KerasVersion::k2 && name == "Conv3DTranspose" && layer.config.integers("dilation_rate") != std::vector<int64_t>{1, 1, 1})
    return "'dilation_rate' is not known to Keras 2; write --keras-version 3";
  for (const ConfigKey& key : layer.def->keys)
    if (const std::string why = why_not_key(layer, key, version); !why.empty()) return why;
  for (const auto& [key, child] : layer.children)
    if (const std::string why = why_not_keras(*child, version); !why.empty())
      return fmt::format("its inner {}: {}", child->def->class_name, why);
  return "";
}

}  // namespace dl
