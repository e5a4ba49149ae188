#include <fmt/format.h>

#include <algorithm>

#include "io/keras/keras1.h"

namespace dl {

using spec::Kind;
using spec::Node;

struct Keras1Layers::Layer {
  std::string keras1_class, class_name, name;
  Node keras1_config, config;
};

namespace {

std::string text_of(const Node* node) { return node && node->is_string() ? node->as_string() : std::string(); }
bool is_int(const Node* node) { return node && node->kind() == Kind::kInt; }

void erase(Node& map, std::string_view key) {
  std::erase_if(map.entries(), [&](const auto& entry) { return entry.first == key; });
}

struct Pair {
  std::string_view from, to;
};

template <size_t N>
std::string_view renamed(const Pair (&pairs)[N], std::string_view name) {
  for (const Pair& pair : pairs)
    if (pair.from == name) return pair.to;
  return name;
}

constexpr Pair kClasses[] = {{"Convolution1D", "Conv1D"},       {"Convolution2D", "Conv2D"},
                             {"Convolution3D", "Conv3D"},       {"AtrousConvolution1D", "Conv1D"},
                             {"AtrousConvolution2D", "Conv2D"}, {"AtrousConv1D", "Conv1D"},
                             {"AtrousConv2D", "Conv2D"},        {"Deconvolution2D", "Conv2DTranspose"},
                             {"Deconv2D", "Conv2DTranspose"},   {"SeparableConvolution2D", "SeparableConv2D"},
                             {"TimeDistributedDense", "Dense"}, {"ThresholdedReLU", "ReLU"}};

// Empty: dropped. Keys that mean the same in both are not here.
constexpr Pair kKeys[] = {{"output_dim", "units"},
                          {"nb_filter", "filters"},
                          {"border_mode", "padding"},
                          {"subsample", "strides"},
                          {"subsample_length", "strides"},
                          {"stride", "strides"},
                          {"atrous_rate", "dilation_rate"},
                          {"filter_length", "kernel_size"},
                          {"pool_length", "pool_size"},
                          {"length", "size"},
                          {"p", "rate"},
                          {"sigma", "stddev"},
                          {"theta", "threshold"},
                          {"bias", "use_bias"},
                          {"dropout_W", "dropout"},
                          {"dropout_U", "recurrent_dropout"},
                          {"inner_activation", "recurrent_activation"},
                          {"init", "kernel_initializer"},
                          {"inner_init", "recurrent_initializer"},
                          {"beta_init", "beta_initializer"},
                          {"gamma_init", "gamma_initializer"},
                          {"W_regularizer", "kernel_regularizer"},
                          {"U_regularizer", "recurrent_regularizer"},
                          {"b_regularizer", "bias_regularizer"},
                          {"W_constraint", "kernel_constraint"},
                          {"U_constraint", "recurrent_constraint"},
                          {"b_constraint", "bias_constraint"},
                          {"input_dim", ""},
                          {"input_length", ""},
                          {"consume_less", ""},
                          {"input_dtype", ""},
                          {"input_shape", ""},
                          {"dim_ordering", ""},
                          {"mode", ""},
                          {"nb_row", ""},
                          {"nb_col", ""},
                          {"kernel_dim1", ""},
                          {"kernel_dim2", ""},
                          {"kernel_dim3", ""},
                          {"output_shape", ""},
                          {"nb_feature", ""},
                          {"forget_bias_init", ""},
                          {"weights", ""}};

constexpr Pair kEmbeddingKeys[] = {{"init", "embeddings_initializer"},
                                   {"W_regularizer", "embeddings_regularizer"},
                                   {"W_constraint", "embeddings_constraint"},
                                   {"input_length", ""},
                                   {"input_dtype", ""},
                                   {"dropout", ""},
                                   {"weights", ""}};

Node object(const char* class_name, Node::Map config) {
  return Node::map({{"class_name", Node::string(class_name)}, {"config", Node::map(std::move(config))}});
}

Node scaling(double scale, const char* mode) {
  return object("VarianceScaling",
                {{"scale", Node::real(scale)}, {"mode", Node::string(mode)}, {"distribution", Node::string("untruncated_normal")}});
}

// Normal distributions were not truncated, and orthogonal matrices were enlarged.
Node upgrade_initializer(const Node& given) {
  const std::string name = text_of(&given);
  if (name == "orthogonal") return object("Orthogonal", {{"gain", Node::real(1.1)}});
  if (name == "glorot_normal") return scaling(1, "fan_avg");
  if (name == "he_normal") return scaling(2, "fan_in");
  if (name == "lecun_normal") return scaling(1, "fan_in");
  return given;
}

// {name, l1, l2} -> {class_name, config}
Node upgrade_penalty(const Node& given) {
  if (!given.is_map() || given.find("class_name")) return given;
  std::string name = text_of(given.find("name"));
  Node::Map config;
  for (const auto& [key, value] : given.entries())
    if (key != "name")
      config.emplace_back(key == "m"                              ? "max_value"
                          : key == "low" && name == "MinMaxNorm"  ? "min_value"
                          : key == "high" && name == "MinMaxNorm" ? "max_value"
                                                                  : key,
                          value);
  if (name == "L1L2Regularizer" || name == "WeightRegularizer" || name == "ActivityRegularizer" || name == "l1l2") name = "L1L2";
  return object(name.c_str(), std::move(config));
}

Node text(std::string value) { return Node::string(std::move(value)); }

Node ref(const std::string& layer) { return Node::list({text(layer), Node::integer(0), Node::integer(0)}); }

// One layer of a model that stands for a layer of Keras 1.
struct Part {
  std::string class_name, name;
  Node::Map config;
  std::vector<std::string> inputs;
  const Node* mark = nullptr;
};

Node part_node(const Part& part) {
  Node config = Node::map(part.config);
  config.set("name", text(part.name));
  std::vector<Node> refs;
  for (const std::string& input : part.inputs) refs.push_back(ref(input));
  Node node = Node::map({{"class_name", text(part.class_name)}, {"name", text(part.name)}, {"config", std::move(config)}});
  node.set("inbound_nodes", refs.empty() ? Node::list({}) : Node::list({Node::list(std::move(refs))}));
  if (part.mark) node.set(kKeras1Mark, *part.mark);
  return node;
}

constexpr const char* kPartInputs[] = {"input", "input2"};

// The last part gives the output; "input" and "input2" are the inputs.
Node model_of(const std::string& name, const Node& keras1_config, size_t inputs, const std::vector<Part>& parts) {
  std::vector<Node> layers, input_refs;
  for (size_t i = 0; i < inputs; ++i) {
    layers.push_back(part_node({"InputLayer", kPartInputs[i], {}, {}}));
    input_refs.push_back(ref(kPartInputs[i]));
  }
  for (const Part& part : parts) layers.push_back(part_node(part));
  Node config = Node::map({{"name", text(name)}});
  for (const char* key : {"batch_input_shape", "trainable"})
    if (const Node* value = keras1_config.find(key)) config.set(key, *value);
  config.set("layers", Node::list(std::move(layers)));
  config.set("input_layers", Node::list(std::move(input_refs)));
  config.set("output_layers", Node::list({ref(parts.back().name)}));
  return Node::map({{"class_name", text("Functional")}, {"config", std::move(config)}});
}

// Whether Theano's windows need their zeros written out: `same` with this kernel and stride lies otherwise than TensorFlow's.
bool theano_same_differs(int64_t extent, int64_t stride) { return stride != 1 || extent % 2 == 0; }

std::vector<int64_t> integers_of(const Node* node, size_t count, int64_t missing) {
  std::vector<int64_t> values(count, missing);
  if (is_int(node)) values.assign(count, node->as_int());
  if (node && node->is_list() && node->items().size() == count)
    for (size_t i = 0; i < count; ++i)
      if (is_int(&node->items()[i])) values[i] = node->items()[i].as_int();
  return values;
}

bool says_nothing_of_channels(std::string_view class_name) {
  static constexpr std::string_view kNames[] = {"ZeroPadding2D", "ZeroPadding3D", "UpSampling2D",     "UpSampling3D",
                                                "Cropping2D",    "Cropping3D",    "SpatialDropout2D", "SpatialDropout3D"};
  return std::find(std::begin(kNames), std::end(kNames), class_name) != std::end(kNames);
}

}  // namespace

void Keras1Layers::report(const Layer& layer, const std::string& message) {
  spec::Place place;
  place.file = fmt::format("{}: layer '{}' ({})", file_.path, layer.name, layer.keras1_class);
  problems_.add(place, "", message);
}

void Keras1Layers::warn(const Layer& layer, const std::string& message) {
  warnings_.push_back(fmt::format("{}: layer '{}' ({}): {}", file_.path, layer.name, layer.keras1_class, message));
}

void Keras1Layers::see_channels(const Node& model) {
  if (model.is_list())
    for (const Node& item : model.items()) see_channels(item);
  if (!model.is_map()) return;
  for (const auto& [key, value] : model.entries()) {
    if (key == "dim_ordering") {
      channels_first_ |= text_of(&value) == "th";
      channels_last_ |= text_of(&value) == "tf";
    } else {
      see_channels(value);
    }
  }
}

void Keras1Layers::add_data_format(Layer& layer) {
  const std::string given = text_of(layer.keras1_config.find("dim_ordering"));
  if (given == "th" || given == "tf") {
    layer.config.set("data_format", text(given == "th" ? "channels_first" : "channels_last"));
  } else if (says_nothing_of_channels(layer.keras1_class)) {
    if (channels_first_ && channels_last_)
      report(layer, "does not say where its channels are, and the model has layers of both kinds; that is not in files of Keras 1");
    if (!channels_first_ && !channels_last_ && !told_) {
      warn(layer, "does not say where its channels are, nor does any other layer of the model; they are taken to be last");
      told_ = true;
    }
    layer.config.set("data_format", text(channels_first_ ? "channels_first" : "channels_last"));
  }
}

void Keras1Layers::rename_keys(Layer& layer) {
  const bool embedding = layer.keras1_class == "Embedding";
  Node::Map entries;
  for (const auto& [key, value] : layer.keras1_config.entries()) {
    const std::string_view name = embedding ? renamed(kEmbeddingKeys, key) : renamed(kKeys, key);
    if (name.empty()) continue;
    Node now = value;
    if (key == "init" || key.ends_with("_init")) now = upgrade_initializer(value);
    if (key.ends_with("_regularizer") || key.ends_with("_constraint")) now = upgrade_penalty(value);
    entries.emplace_back(name, std::move(now));
  }
  layer.config = Node::map(std::move(entries));
  add_data_format(layer);
  for (const auto& [key, value] : layer.keras1_config.entries())
    if (key.ends_with("_regularizer") && text_of(value.find("name")) == "EigenvalueRegularizer")
      report(layer, fmt::format("{} is an EigenvalueRegularizer, which later versions of Keras do not have", key));
}

Node Keras1Layers::upgrade(const std::string& class_name, const Node& given) {
  Layer layer{class_name, std::string(renamed(kClasses, class_name)), text_of(given.find("name")), given, {}};
  if (!given.is_map()) return Node::map({{"class_name", text(class_name)}, {"config", given}});
  if (class_name == "InputLayer") {
    const std::string dtype = text_of(given.find("input_dtype"));
    Node config = given;
    erase(config, "input_dtype");
    if (!dtype.empty()) config.set("dtype", text(dtype));
    return Node::map({{"class_name", text(class_name)}, {"config", std::move(config)}});
  }
  if (class_name == "Merge") return upgrade_merge(layer);
  rename_keys(layer);
  if (is_keras1_convolution(class_name)) return upgrade_convolution(layer);
  return upgrade_special(layer);
}

// ---- convolutions

namespace {

std::vector<int64_t> kernel_of(const Node& config, const std::string& keras1_class) {
  std::vector<const char*> keys = {"nb_row", "nb_col"};
  if (keras1_class.ends_with("1D")) keys = {"filter_length"};
  if (keras1_class.ends_with("3D")) keys = {"kernel_dim1", "kernel_dim2", "kernel_dim3"};
  std::vector<int64_t> sizes;
  for (const char* key : keys) sizes.push_back(is_int(config.find(key)) ? config.find(key)->as_int() : 0);
  return sizes;
}

Node integer_list(const std::vector<int64_t>& values) {
  std::vector<Node> items;
  for (const int64_t value : values) items.push_back(Node::integer(value));
  return Node::list(std::move(items));
}

Node mark_of(const std::string& class_name, const Node& config, bool theano) {
  return Node::map({{"class_name", text(class_name)}, {"config", config}, {"theano", Node::boolean(theano)}});
}

Node pads_node(const std::vector<std::pair<int64_t, int64_t>>& pads) {
  if (pads.size() == 1) return integer_list({pads[0].first, pads[0].second});
  std::vector<Node> items;
  for (const auto& [begin, end] : pads) items.push_back(integer_list({begin, end}));
  return Node::list(std::move(items));
}

Node with_mark(const std::string& class_name, Node config, Node mark) {
  Node node = Node::map({{"class_name", text(class_name)}, {"config", std::move(config)}});
  node.set(kKeras1Mark, std::move(mark));
  return node;
}

}  // namespace

Node Keras1Layers::upgrade_convolution(Layer& layer) {
  const std::vector<int64_t> kernel = kernel_of(layer.keras1_config, layer.keras1_class);
  const Node mark = mark_of(layer.keras1_class, layer.keras1_config, file_.theano);
  if (std::any_of(kernel.begin(), kernel.end(), [](int64_t size) { return size <= 0 || size > 1 << 20; })) {
    report(layer, "does not say how large its kernel is");
    return with_mark(layer.class_name, std::move(layer.config), mark);
  }
  layer.config.set("kernel_size", integer_list(kernel));
  if (layer.class_name == "SeparableConv2D") {
    if (const Node* init = layer.config.find("kernel_initializer")) {
      const Node initializer = *init;
      layer.config.set("depthwise_initializer", initializer);
      layer.config.set("pointwise_initializer", initializer);
    }
    erase(layer.config, "kernel_initializer");
  }
  const size_t rank = kernel.size();
  const std::vector<int64_t> strides = integers_of(layer.config.find("strides"), rank, 1),
                             dilation = integers_of(layer.config.find("dilation_rate"), rank, 1);
  const std::string padding = text_of(layer.config.find("padding"));
  const bool transposed = layer.class_name == "Conv2DTranspose";
  bool pad = padding == "full";
  std::vector<std::pair<int64_t, int64_t>> pads;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t extent = (kernel[i] - 1) * dilation[i] + 1;
    if (padding == "full")
      pads.emplace_back(extent - 1, extent - 1);
    else
      pads.emplace_back(extent / 2, (extent - 1) / 2);
    pad |= padding == "same" && file_.theano && theano_same_differs(extent, strides[i]);
  }
  if (!pad) return with_mark(layer.class_name, std::move(layer.config), mark);
  if (transposed) {
    report(layer,
           fmt::format("has border_mode '{}' of Theano with this kernel and these strides, which later versions of Keras do not have",
                       padding));
    return with_mark(layer.class_name, std::move(layer.config), mark);
  }
  layer.config.set("padding", text("valid"));
  Node::Map borders = {{"padding", pads_node(pads)}};
  if (const Node* format = layer.config.find("data_format")) borders.emplace_back("data_format", *format);
  erase(layer.config, "batch_input_shape");
  return model_of(layer.name, layer.keras1_config, 1,
                  {{fmt::format("ZeroPadding{}D", rank), "pad", std::move(borders), {"input"}},
                   {layer.class_name, "conv", layer.config.entries(), {"pad"}, &mark}});
}

// ---- merges

Node Keras1Layers::upgrade_merge(Layer& layer) {
  const Node& given = layer.keras1_config;
  const std::string mode = text_of(given.find("mode")), type = text_of(given.find("mode_type"));
  const auto made = [&](const char* class_name, Node::Map config) {
    config.emplace_back("name", text(layer.name));
    return Node::map({{"class_name", text(class_name)}, {"config", Node::map(std::move(config))}});
  };
  if (type == "lambda" || type == "function" || mode.empty()) {
    report(layer, "has a mode that is Python code, which is never run; replace it by layers");
    return made("Add", {});
  }
  if (mode == "sum") return made("Add", {});
  if (mode == "mul") return made("Multiply", {});
  if (mode == "ave") return made("Average", {});
  if (mode == "max") return made("Maximum", {});
  const Node* axes = given.find("dot_axes");
  if (mode == "concat") return made("Concatenate", {{"axis", given.find("concat_axis") ? *given.find("concat_axis") : Node::integer(-1)}});
  if (mode == "dot") return made("Dot", {{"axes", axes ? *axes : Node::integer(-1)}});
  if (mode == "cos")
    return model_of(
        layer.name, Node::map({}), 2,
        {{"Dot", "cosine", {{"axes", axes ? *axes : Node::integer(-1)}, {"normalize", Node::boolean(true)}}, {"input", "input2"}},
         {"Reshape", "reshape", {{"target_shape", integer_list({1, 1})}}, {"cosine"}}});
  report(layer, fmt::format("has the mode '{}'; known are sum, mul, concat, ave, max, dot and cos", mode));
  return made("Add", {});
}

// ---- the rest

void Keras1Layers::upgrade_wrapped(Layer& layer) {
  const Node* child = layer.keras1_config.find("layer");
  const Node* config = child ? child->find("config") : nullptr;
  if (!config) return;
  Node now = upgrade(text_of(child->find("class_name")), *config);
  if (text_of(now.find("class_name")) == "Functional") report(layer, "holds a layer that later versions of Keras need several layers for");
  erase(now, kKeras1Mark);
  layer.config.set("layer", std::move(now));
}

namespace {

Node upgrade_dense(const Node& config, std::initializer_list<std::string_view> left_out) {
  Node kept = config;
  for (const std::string_view key : left_out) erase(kept, key);
  erase(kept, "batch_input_shape");
  return kept;
}

// max over `features` of x W + b
Node upgrade_maxout(const std::string& name, const Node& keras1_config, Node config, const Node& mark) {
  const int64_t features = integers_of(keras1_config.find("nb_feature"), 1, 4)[0], units = integers_of(config.find("units"), 1, 1)[0];
  Node dense = upgrade_dense(config, {"activity_regularizer"});
  const int64_t limit = 1 << 24;
  dense.set("units", Node::integer(std::clamp<int64_t>(features, 1, limit) * std::clamp<int64_t>(units, 1, limit)));
  return model_of(name, keras1_config, 1,
                  {{"Dense", "dense", dense.entries(), {"input"}, &mark},
                   {"Reshape", "features", {{"target_shape", integer_list({features, units})}}, {"dense"}},
                   {"GlobalMaxPooling1D", "maximum", {}, {"features"}}});
}

// t * act(x W + b) + (1 - t) * x, with t = sigmoid(x W_carry + b_carry), as t * (act - x) + x
Node upgrade_highway(const std::string& name, const Node& keras1_config, int64_t width, Node config, const Node& mark) {
  Node dense = upgrade_dense(config, {"activity_regularizer"});
  dense.set("units", Node::integer(width));
  Node carry = dense;
  for (const char* key : {"kernel_regularizer", "bias_regularizer", "kernel_constraint", "bias_constraint"}) erase(carry, key);
  carry.set("activation", text("sigmoid"));
  carry.set("bias_initializer", text("ones"));
  return model_of(name, keras1_config, 1,
                  {{"Dense", "transform", dense.entries(), {"input"}, &mark},
                   {"Dense", "gate", carry.entries(), {"input"}, &mark},
                   {"Subtract", "difference", {}, {"transform", "input"}},
                   {"Multiply", "gated", {}, {"gate", "difference"}},
                   {"Add", "sum", {}, {"gated", "input"}}});
}

}  // namespace

Node Keras1Layers::upgrade_special(Layer& layer) {
  const std::string& name = layer.keras1_class;
  Node& config = layer.config;
  const Node& given = layer.keras1_config;
  const Node mark = mark_of(name, given, file_.theano);
  if (const Node* dropout = given.find("dropout_U"); dropout && dropout->is_number() && dropout->as_double() > 0) {
    warn(layer, "its dropout of the recurrent connections, which acts in training only, is left out: it is not supported yet");
    erase(config, "recurrent_dropout");
  }
  if (name == "BatchNormalization") {
    if (const Node* mode = given.find("mode"); is_int(mode) && mode->as_int() != 0)
      report(layer, fmt::format("has mode {}, which later versions of Keras do not have; only mode 0 is known", mode->as_int()));
  } else if (name == "LSTM") {
    const std::string forget = text_of(given.find("forget_bias_init"));
    config.set("unit_forget_bias", Node::boolean(forget.empty() || forget == "one"));
  } else if (name == "GRU") {
    config.set("reset_after", Node::boolean(false));
  } else if (name == "Embedding") {
    if (const Node* dropout = given.find("dropout"); dropout && dropout->is_number() && dropout->as_double() > 0)
      warn(layer, "its dropout, which acts in training only, is left out: later versions of Keras do not have it");
  } else if (name == "PReLU") {
    // The config does not say over which axes the slopes are shared; one slope along an axis is shared.
    const std::vector<Dims> arrays = file_.arrays ? file_.arrays(layer.name) : std::vector<Dims>();
    std::vector<int64_t> shared;
    for (size_t i = 0; arrays.size() == 1 && i < arrays[0].size(); ++i)
      if (arrays[0][i] == 1) shared.push_back(static_cast<int64_t>(i) + 1);
    if (const Node* init = config.find("kernel_initializer")) config.set("alpha_initializer", Node(*init));
    erase(config, "kernel_initializer");
    if (!shared.empty()) config.set("shared_axes", integer_list(shared));
  } else if (name == "ZeroPadding1D" || name == "ZeroPadding2D") {
    const Node* padding = given.find("padding");
    const auto side = [&](const char* key) { return is_int(padding->find(key)) ? padding->find(key)->as_int() : 0; };
    if (padding && padding->is_map())
      config.set("padding", name == "ZeroPadding1D"
                                ? pads_node({{side("left_pad"), side("right_pad")}})
                                : pads_node({{side("top_pad"), side("bottom_pad")}, {side("left_pad"), side("right_pad")}}));
    if (name == "ZeroPadding2D" && padding && padding->is_list() && padding->items().size() == 4) {
      const std::vector<int64_t> p = integers_of(padding, 4, 0);
      config.set("padding", pads_node({{p[0], p[1]}, {p[2], p[3]}}));
    }
  } else if (name == "TimeDistributed" || name == "Bidirectional") {
    upgrade_wrapped(layer);
  } else if (name == "MaxoutDense") {
    return upgrade_maxout(layer.name, given, config, mark);
  } else if (name == "Highway") {
    // Its config tells its width only where it is the first layer.
    const std::vector<Dims> arrays = file_.arrays ? file_.arrays(layer.name) : std::vector<Dims>();
    const Node* told = given.find("input_dim");
    const int64_t width = is_int(told) ? told->as_int() : !arrays.empty() && arrays[0].size() == 2 ? arrays[0][1] : 0;
    if (width <= 0) report(layer, "does not say how wide it is, and there are no weights that would");
    return upgrade_highway(layer.name, given, std::max<int64_t>(width, 1), config, mark);
  } else if (name == "SReLU" || name == "ParametricSoftplus") {
    report(layer, "is a layer that later versions of Keras do not have, nor others that compute the same");
    return Node::map(
        {{"class_name", text("Activation")}, {"config", Node::map({{"name", text(layer.name)}, {"activation", text("linear")}})}});
  }
  return with_mark(layer.class_name, std::move(config), mark);
}

}  // namespace dl
