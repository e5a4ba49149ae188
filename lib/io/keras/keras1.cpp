#include "io/keras/keras1.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace dl {
namespace {

using spec::Node;

std::string text_of(const Node* node) { return node && node->is_string() ? node->as_string() : std::string(); }
bool is_sequential(const Node& layer) { return text_of(layer.find("class_name")) == "Sequential"; }
bool is_model(const Node& layer) {
  const std::string name = text_of(layer.find("class_name"));
  return name == "Sequential" || name == "Model" || name == "Container";
}

const std::vector<Node>& layers_of(const Node& model) {
  static const std::vector<Node> kNone;
  const Node* config = model.find("config");
  const Node* layers = config && config->is_map() ? config->find("layers") : config;
  return layers && layers->is_list() ? layers->items() : kNone;
}

bool has_old_words(const Node& node, int depth = 0) {
  static constexpr std::string_view kWords[] = {"nb_filter",    "border_mode", "W_regularizer", "inner_init",
                                                "dim_ordering", "mode_type",   "pool_length"};
  if (depth > 12) return false;
  if (node.is_list())
    return std::any_of(node.items().begin(), node.items().end(), [&](const Node& n) { return has_old_words(n, depth + 1); });
  return node.is_map() && std::any_of(node.entries().begin(), node.entries().end(), [&](const auto& entry) {
           return std::find(std::begin(kWords), std::end(kWords), entry.first) != std::end(kWords) ||
                  has_old_words(entry.second, depth + 1);
         });
}

class Upgrade {
 public:
  Upgrade(const Keras1File& file, spec::Problems& problems, std::vector<std::string>& warnings)
      : file_(file), problems_(problems), layers_(file, problems, warnings) {}

  Node model(const Node& given) {
    layers_.see_channels(given);
    return any_model(given);
  }

 private:
  void report(const std::string& message) {
    spec::Place place;
    place.file = file_.path;
    problems_.add(place, "", message);
  }

  Node any_model(const Node& given) { return is_sequential(given) ? sequential(given) : functional(given); }

  // Before Keras 1.0 the class stood under "name", and a name of the user's own under "custom_name".
  static Node normal(const Node& layer) {
    if (layer.find("class_name") || !layer.is_map()) return layer;
    Node config = layer;
    std::erase_if(config.entries(), [](const auto& entry) { return entry.first == "name" || entry.first == "custom_name"; });
    if (const Node* name = layer.find("custom_name")) config.set("name", *name);
    return Node::map({{"class_name", Node::string(text_of(layer.find("name")))}, {"config", std::move(config)}});
  }

  Node layer(const Node& given) {
    if (is_model(given)) {
      Node model = given;
      const Node* inner = model.find("config");
      if (text_of(model.find("name")).empty() && text_of(inner ? inner->find("name") : nullptr).empty())
        model.set("name", Node::string(fmt::format("sequential_{}", ++unnamed_)));
      return any_model(model);
    }
    const Node* config = given.find("config");
    Node now = layers_.upgrade(text_of(given.find("class_name")), config ? *config : Node::map({}));
    for (const char* key : {"name", "inbound_nodes"})
      if (const Node* value = given.find(key)) now.set(key, *value);
    return now;
  }

  Node functional(const Node& given) {
    Node now = given;
    if (text_of(now.find("class_name")) == "Container") now.set("class_name", Node::string("Model"));
    Node* config = now.find("config");
    Node* layers = config && config->is_map() ? config->find("layers") : nullptr;
    if (layers && layers->is_list())
      for (Node& item : layers->items()) item = layer(item);
    return now;
  }

  static bool begins_with_merge(const Node& model) {
    const std::vector<Node>& layers = layers_of(model);
    return !layers.empty() && text_of(normal(layers[0]).find("class_name")) == "Merge";
  }

  Node sequential(const Node& given) {
    if (begins_with_merge(given)) return merged_sequential(given);
    std::vector<Node> layers;
    for (const Node& item : layers_of(given)) layers.push_back(layer(normal(item)));
    Node config = Node::map({});
    if (const Node* name = given.find("name")) config.set("name", *name);
    config.set("layers", Node::list(std::move(layers)));
    Node now = given;
    now.set("config", std::move(config));
    return now;
  }

  // ---- a Sequential that joins others: a functional model, whose weights lie layer by layer in the file
  struct Chain {
    std::vector<Node> layers, inputs;
    std::set<std::string> names;
  };

  static Node ref(const std::string& name) { return Node::list({Node::string(name), Node::integer(0), Node::integer(0)}); }

  std::string add(Chain& chain, Node node, const std::vector<std::string>& inputs) {
    const Node* config = node.find("config");
    std::string name = text_of(node.find("name"));
    if (name.empty() && config) name = text_of(config->find("name"));
    if (name.empty()) name = fmt::format("{}_{}", text_of(node.find("class_name")), chain.layers.size());
    if (!chain.names.insert(name).second)
      report(fmt::format("has two layers '{}' in the models that it joins; that is not supported", name));
    std::vector<Node> refs;
    for (const std::string& input : inputs) refs.push_back(ref(input));
    node.set("name", Node::string(name));
    node.set("inbound_nodes", refs.empty() ? Node::list({}) : Node::list({Node::list(std::move(refs))}));
    chain.layers.push_back(std::move(node));
    return name;
  }

  // The first layer of a branch says which input it has.
  std::string add_input(Chain& chain, const Node& first) {
    const Node* config = first.find("config");
    const Node* shape = config ? config->find("batch_input_shape") : nullptr;
    if (!shape) report("joins a model that does not say which input it has");
    const std::string name = text_of(config ? config->find("name") : nullptr) + "_input";
    Node input = Node::map({{"batch_input_shape", shape ? *shape : Node::list({})}, {"name", Node::string(name)}});
    chain.inputs.push_back(ref(name));
    return add(chain, Node::map({{"class_name", Node::string("InputLayer")}, {"config", std::move(input)}}), {});
  }

  std::string add_sequential(Chain& chain, const Node& model) {
    std::string last;
    const std::vector<Node>& layers = layers_of(model);
    for (size_t i = 0; i < layers.size(); ++i) {
      const Node item = normal(layers[i]);
      if (i == 0 && text_of(item.find("class_name")) == "Merge") {
        last = add_merge(chain, item);
        continue;
      }
      if (i == 0) last = add_input(chain, item);
      last = add(chain, layer(item), {last});
    }
    return last;
  }

  std::string add_merge(Chain& chain, const Node& merge) {
    std::vector<std::string> inputs;
    const Node* config = merge.find("config");
    const Node* branches = config ? config->find("layers") : nullptr;
    for (const Node& given : branches && branches->is_list() ? branches->items() : std::vector<Node>()) {
      const Node branch = normal(given);
      if (is_sequential(branch)) {
        inputs.push_back(add_sequential(chain, branch));
      } else if (is_model(branch)) {
        report("joins a functional model in a Sequential one; that is not supported, build the whole with Model");
      } else {
        const std::string input = add_input(chain, branch);
        inputs.push_back(add(chain, layer(branch), {input}));
      }
    }
    return add(chain, layer(merge), inputs);
  }

  Node merged_sequential(const Node& given) {
    Chain chain;
    const std::string last = add_sequential(chain, given);
    Node config = Node::map({{"layers", Node::list(std::move(chain.layers))},
                             {"input_layers", Node::list(std::move(chain.inputs))},
                             {"output_layers", Node::list({ref(last)})}});
    Node now = given;
    now.set("class_name", Node::string("Model"));
    now.set("config", std::move(config));
    return now;
  }

  const Keras1File& file_;
  spec::Problems& problems_;
  Keras1Layers layers_;
  int unnamed_ = 0;  // models inside
};

}  // namespace

bool is_keras1(const Node& model, const std::string& version) {
  if (!version.empty()) return version.starts_with("1.") || version.starts_with("0.");
  return has_old_words(model);
}

Node upgrade_keras1(const Node& model, const Keras1File& file, spec::Problems& problems, std::vector<std::string>& warnings) {
  return Upgrade(file, problems, warnings).model(model);
}

}  // namespace dl
