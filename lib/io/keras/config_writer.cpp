#include "io/keras/config_writer.h"

#include <fmt/format.h>

#include <map>

#include "io/keras/network.h"

namespace dl {
namespace {

using spec::Node;
using Kind = NetworkOperation::Kind;

class Writer {
 public:
  Writer(const SavedModel& saved, KerasVersion version)
      : saved_(saved), version_(version), net_(make_keras_network(saved.model, version)) {}

  KerasModelConfig write() {
    KerasModelConfig result;
    result.problems = net_.problems;
    const auto kind = saved_.metadata.find("model_class");
    const bool sequential = net_.chain && !(kind != saved_.metadata.end() && kind->second == "Functional");
    result.node = sequential ? sequential_config() : functional_config();
    result.layers = layer_entries();
    return result;
  }

 private:
  bool new_form() const { return version_ == KerasVersion::k3; }

  std::string model_name(const char* fallback) const { return saved_.model.name.empty() ? fallback : saved_.model.name; }

  static Node shape_node(const Shape& shape) {
    std::vector<Node> sizes;
    for (const Dim& size : shape) sizes.push_back(size.known() ? Node::integer(size.value()) : Node());
    return Node::list(std::move(sizes));
  }

  std::vector<KerasLayerEntry> layer_entries() const {
    std::vector<KerasLayerEntry> entries;
    std::map<std::string, int> counts;
    for (const size_t o : net_.order) {
      const NetworkOperation& operation = net_.operations[o];
      if (operation.kind != Kind::kLayer) continue;
      const std::string snake = weight_group_name(operation.class_name);
      const int count = counts[snake]++;
      entries.push_back({operation.name, operation.class_name,
                         count == 0 ? fmt::format("layers/{}", snake) : fmt::format("layers/{}_{}", snake, count), operation.name,
                         operation.layer->trainable});
    }
    return entries;
  }

  // ---- Sequential
  Node sequential_config() const {
    std::vector<Node> layers;
    const Shape& input = net_.operations[net_.inputs[0].operation].calls[0].outputs[0].shape;
    bool first = true;
    for (const size_t o : net_.order) {
      const NetworkOperation& operation = net_.operations[o];
      Node config = operation.config;
      // Where Deeplearning4j and older readers look for it.
      if (!new_form() && operation.kind == Kind::kLayer && first) config.set("batch_input_shape", shape_node(input));
      first &= operation.kind != Kind::kLayer;
      layers.push_back(keras_object(operation.module, operation.class_name, std::move(config), version_));
    }
    Node config = Node::map({{"name", Node::string(model_name("sequential"))}});
    if (new_form()) {
      config.set("trainable", Node::boolean(true));
      config.set("dtype", Node::string("float32"));
    }
    config.set("layers", Node::list(std::move(layers)));
    if (new_form()) config.set("build_input_shape", shape_node(input));
    Node model = keras_object("keras", "Sequential", std::move(config), version_);
    if (new_form()) model.set("build_config", Node::map({{"input_shape", shape_node(input)}}));
    return model;
  }

  // ---- Functional
  Node functional_config() const {
    std::vector<Node> layers;
    for (const size_t o : net_.order) {
      const NetworkOperation& operation = net_.operations[o];
      Node layer = keras_object(operation.module, operation.class_name, operation.config, version_);
      if (new_form() && operation.kind == Kind::kFunction) layer.set("registered_name", Node::string(operation.class_name));
      layer.set("name", Node::string(operation.name));
      std::vector<Node> calls;
      if (operation.kind != Kind::kInput)
        for (const NetworkCall& call : operation.calls)
          calls.push_back(new_form() ? new_call(call) : old_call(call, operation.kind == Kind::kFunction));
      layer.set("inbound_nodes", Node::list(std::move(calls)));
      layers.push_back(std::move(layer));
    }
    Node config = Node::map({{"name", Node::string(model_name(new_form() ? "functional" : "model"))}});
    config.set("trainable", Node::boolean(true));
    config.set("layers", Node::list(std::move(layers)));
    config.set("input_layers", refs_node(net_.inputs));
    config.set("output_layers", refs_node(net_.outputs));
    Node model = keras_object("keras.src.models.functional", "Functional", std::move(config), version_);
    if (new_form()) model.set("registered_name", Node::string("Functional"));
    return model;
  }

  Node history(const NetworkTensor& tensor) const {
    return Node::list({Node::string(net_.operations[tensor.operation].name), Node::integer(static_cast<int64_t>(tensor.call)),
                       Node::integer(static_cast<int64_t>(tensor.output))});
  }

  // Keras 3 gives back one tensor where there is no list.
  Node refs_node(const std::vector<NetworkTensor>& tensors) const {
    if (new_form() && tensors.size() == 1) return history(tensors[0]);
    std::vector<Node> refs;
    for (const NetworkTensor& tensor : tensors) refs.push_back(history(tensor));
    return Node::list(std::move(refs));
  }

  Node new_argument(const NetworkArgument& argument) const {
    switch (argument.kind) {
      case NetworkArgument::Kind::kValue:
        return argument.value;
      case NetworkArgument::Kind::kList: {
        std::vector<Node> items;
        for (const NetworkArgument& item : argument.items) items.push_back(new_argument(item));
        return Node::list(std::move(items));
      }
      case NetworkArgument::Kind::kTensor:
        break;
    }
    const NetworkTensor& tensor = argument.tensor;
    const TensorType& type = net_.operations[tensor.operation].calls[tensor.call].outputs.at(tensor.output);
    return Node::map({{"class_name", Node::string("__keras_tensor__")},
                      {"config", Node::map({{"shape", shape_node(type.shape)},
                                            {"dtype", Node::string(std::string(name_of(type.dtype)))},
                                            {"keras_history", history(tensor)}})}});
  }

  Node new_call(const NetworkCall& call) const {
    std::vector<Node> arguments;
    for (const NetworkArgument& argument : call.arguments) arguments.push_back(new_argument(argument));
    Node keywords = Node::map({});
    for (const auto& [name, argument] : call.keywords) keywords.set(name, new_argument(argument));
    return Node::map({{"args", Node::list(std::move(arguments))}, {"kwargs", std::move(keywords)}});
  }

  Node old_argument(const NetworkArgument& argument) const {
    if (argument.kind == NetworkArgument::Kind::kTensor) return history(argument.tensor);
    if (argument.kind == NetworkArgument::Kind::kValue) return argument.value;
    std::vector<Node> items;
    for (const NetworkArgument& item : argument.items) items.push_back(old_argument(item));
    return Node::list(std::move(items));
  }

  // [[layer, call, output, keyword arguments], ...] of the first argument.
  Node old_call(const NetworkCall& call, bool function) const {
    Node keywords = Node::map({});
    for (const auto& [name, argument] : call.keywords) keywords.set(name, old_argument(argument));
    // Functions keep the structure of their first argument.
    if (function && call.arguments[0].kind == NetworkArgument::Kind::kValue)
      return Node::list({Node::string("_CONSTANT_VALUE"), Node::integer(-1), call.arguments[0].value, keywords});
    if (function && call.arguments[0].kind == NetworkArgument::Kind::kTensor) {
      Node item = history(call.arguments[0].tensor);
      item.items().push_back(keywords);
      return item;
    }
    std::vector<NetworkTensor> tensors = tensors_of({call.arguments, {}, {}, {}});
    std::vector<Node> items;
    for (const NetworkTensor& tensor : tensors) {
      Node item = history(tensor);
      item.items().push_back(keywords);
      items.push_back(std::move(item));
    }
    return Node::list(std::move(items));
  }

  const SavedModel& saved_;
  KerasVersion version_;
  KerasNetwork net_;
};

}  // namespace

KerasModelConfig write_keras_config(const SavedModel& saved, KerasVersion version) {
  if (saved.model.layers.size() == 1 && std::string_view(saved.model.layers[0]->def->class_name) == "Graph") {
    KerasModelConfig result;
    result.problems.emplace_back("the model is a graph of operators, which Keras has no layers for; write ONNX");
    return result;
  }
  return Writer(saved, version).write();
}

}  // namespace dl
