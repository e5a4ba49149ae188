#include "io/tfjs/topology_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "io/keras/json_node.h"

namespace dl::tfjs {
namespace {

using spec::Node;

std::string text_of(const Node* node) { return node && node->is_string() ? node->as_string() : std::string(); }

void erase(Node& map, std::string_view key) {
  std::erase_if(map.entries(), [&](const auto& entry) { return entry.first == key; });
}

// "batchInputShape" -> "batch_input_shape". Models put together in JavaScript have such keys.
std::string snake(const std::string& key) {
  std::string out;
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isupper(byte) && !out.empty()) out += '_';
    out += static_cast<char>(std::isupper(byte) ? std::tolower(byte) : c);
  }
  return out;
}

// Keys that hold class names and layer names keep their values; words of a choice ("channelsLast") do not.
Node snake_keys(const Node& node) {
  if (node.is_list()) {
    std::vector<Node> items;
    for (const Node& item : node.items()) items.push_back(snake_keys(item));
    return Node::list(std::move(items));
  }
  if (!node.is_map()) return node;
  static constexpr std::string_view kWords[] = {"data_format", "activation", "recurrent_activation"};
  Node map = Node::map({});
  for (const auto& [key, value] : node.entries()) {
    const std::string name = snake(key);
    const bool word = value.is_string() && std::find(std::begin(kWords), std::end(kWords), name) != std::end(kWords);
    map.set(name, word ? Node::string(snake(value.as_string())) : snake_keys(value));
  }
  return map;
}

class Reader {
 public:
  explicit Reader(std::string file) : file_(std::move(file)) {}
  Topology take() { return std::move(result_); }

  void read(const Node& root) {
    if (!root.is_map()) throw FileError(file_ + ": is not a JSON object");
    const std::string format = text_of(root.find("format"));
    const Node* given = root.find("modelTopology");
    const bool graph = format == "graph-model" || (given && given->is_map() && (given->find("node") || given->find("library")));
    if (graph)
      throw FileError(file_ +
                      ": is a TF.js graph model, which holds TensorFlow operators; convert the Keras model it was made from, or make a "
                      "layers model of it (tensorflowjs_converter --output_format=tfjs_layers_model)");
    if (!format.empty() && format != "layers-model") throw FileError(fmt::format("{}: is a '{}', not a layers-model", file_, format));
    // A bare topology is what model.toJSON() gives.
    Node topology = snake_keys(given ? *given : root);
    if (topology.is_string()) topology = parse_json(topology.as_string(), file_ + ": modelTopology");
    result_.version = text_of(topology.find("keras_version"));
    if (const Node* training = topology.find("training_config"); training && training->is_map()) result_.training = *training;
    if (const Node* training = root.find("trainingConfig"); training && training->is_map()) result_.training = snake_keys(*training);
    if (const Node* inner = topology.find("model_config"); inner && inner->is_map()) topology = Node(*inner);
    if (text_of(topology.find("class_name")).empty() || !topology.find("config"))
      throw FileError(file_ + ": holds no model: modelTopology has no class_name and config");
    read_model(topology);
    result_.model = std::move(topology);
  }

 private:
  void read_model(Node& model) {
    Node* config = model.find("config");
    Node* layers = config->is_list() ? config : config->find("layers");
    if (!layers || !layers->is_list()) return;
    for (Node& layer : layers->items())
      if (layer.is_map()) read_layer(layer);
  }

  void read_layer(Node& layer) {
    const std::string class_name = text_of(layer.find("class_name"));
    Node* config = layer.find("config");
    if (!config) return;
    if (class_name == "Sequential" || class_name == "Model" || class_name == "Functional") return read_model(layer);
    if (!config->is_map()) return;
    drop_unset(*config);
    check_stack(layer, class_name, *config);
    if (class_name == "ThresholdedReLU") {
      const Node* theta = config->find("theta");
      const Node threshold = theta ? *theta : Node::real(1);
      erase(*config, "theta");
      config->set("threshold", threshold);
      layer.set("class_name", Node::string("ReLU"));
      return;
    }
    read_config(class_name, *config);
  }

  // TF.js lists the states of stacked cells from the last cell to the first, Keras from the first to the last.
  void check_stack(const Node& layer, const std::string& class_name, const Node& config) const {
    const Node* cell = class_name == "RNN" ? config.find("cell") : nullptr;
    const Node *inner = cell ? cell->find("config") : nullptr, *cells = inner ? inner->find("cells") : cell;
    if (!cells || !cells->is_list() || cells->items().size() < 2) return;
    const Node *flag = config.find("return_state"), *calls = layer.find("inbound_nodes");
    const bool given = calls && calls->is_list() && std::any_of(calls->items().begin(), calls->items().end(), [](const Node& call) {
                         return call.is_list() && call.items().size() > 1;
                       });
    if (given || (flag && *flag == Node::boolean(true)))
      throw FileError(
          fmt::format("{}: layer '{}' (RNN): has several cells whose states are given or returned; TF.js lists them in another "
                      "order than Keras, which is not supported",
                      file_, text_of(config.find("name"))));
  }

  // undefined and null mean the default to TF.js, but for these.
  static void drop_unset(Node& config) {
    static constexpr std::string_view kNull[] = {"merge_mode", "activation", "recurrent_activation"};
    std::erase_if(config.entries(), [](const auto& entry) {
      return entry.second.is_null() && std::find(std::begin(kNull), std::end(kNull), entry.first) == std::end(kNull);
    });
  }

  // Where TF.js's default is another than Keras's.
  static void set_default(Node& config, const char* key, Node value) {
    if (!config.find(key)) config.set(key, std::move(value));
  }

  void read_config(const std::string& class_name, Node& config) {
    const auto is = [&](std::initializer_list<std::string_view> names) {
      return std::find(names.begin(), names.end(), class_name) != names.end();
    };
    if (is({"LSTM", "LSTMCell", "GRU", "GRUCell"})) set_default(config, "recurrent_activation", Node::string("hard_sigmoid"));
    if (is({"GRU", "GRUCell"})) set_default(config, "reset_after", Node::boolean(false));
    if (is({"Softmax"})) set_default(config, "axis", Node::integer(1));
    if (is({"LeakyReLU"})) set_default(config, "alpha", Node::real(0.3));
    if (is({"SpatialDropout1D"})) erase(config, "noise_shape"), erase(config, "seed");
    if (is({"RNN"}))
      keep(config, {"name", "trainable", "dtype", "batch_input_shape", "cell", "return_sequences", "return_state", "go_backwards",
                    "stateful", "unroll", "zero_output_for_mask", "time_major"});
    if (is({"DepthwiseConv2D"})) erase(config, "depthwise_constraint");  // TF.js writes the regularizer there
    if (Node* shape = config.find("target_shape"); is({"Reshape"}) && shape && shape->is_list())
      for (Node& size : shape->items())
        if (size.is_null()) size = Node::integer(-1);
    for (auto& [key, value] : config.entries())
      if (key.ends_with("_initializer")) read_initializer(value);
    for (const char* key : {"layer", "backward_layer", "cell"})
      if (Node* child = config.find(key); child && child->is_map()) read_layer(*child);
    if (Node* cells = config.find("cells"); cells && cells->is_list())
      for (Node& cell : cells->items())
        if (cell.is_map()) read_layer(cell);
    if (Node* cell = config.find("cell"); cell && cell->is_list())
      for (Node& item : cell->items())
        if (item.is_map()) read_layer(item);
  }

  static void read_initializer(Node& initializer) {
    std::string name = text_of(initializer.find("class_name"));
    if (name.starts_with("LeCun")) initializer.set("class_name", Node::string("Lecun" + name.substr(5)));
  }

  // TF.js writes the cell's keys beside the cell.
  static void keep(Node& config, std::initializer_list<std::string_view> keys) {
    std::erase_if(config.entries(), [&](const auto& entry) { return std::find(keys.begin(), keys.end(), entry.first) == keys.end(); });
  }

  std::string file_;
  Topology result_;
};

}  // namespace

Topology read_topology(const Node& root, const std::string& file) {
  Reader reader(file);
  reader.read(root);
  return reader.take();
}

}  // namespace dl::tfjs
