#include "io/keras/config_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "io/keras/keras1.h"
#include "io/keras/node_reader.h"
#include "io/keras/operation.h"

namespace dl {
namespace {

using spec::Node;

bool is_model_class(std::string_view name) { return name == "Sequential" || name == "Functional" || name == "Model"; }

// Image layers, for which Keras writes down what is the default of their call; it does not act on it.
bool trains_by_default(std::string_view name) {
  static constexpr std::string_view kOthers[] = {
      "Resizing", "CenterCrop", "Solarization", "AutoContrast", "MixUp",
      "CutMix",   "AugMix",     "Equalization", "Pipeline",     "ContrastLimitedAdaptiveHistogramEqualization"};
  return name.starts_with("Rand") || std::find(std::begin(kOthers), std::end(kOthers), name) != std::end(kOthers);
}

std::string text_of(const Node* node) { return node && node->is_string() ? node->as_string() : std::string(); }

// One entry of `layers`.
struct Entry {
  const Node* node = nullptr;
  std::string class_name, name, path;
  const Node* config = nullptr;
  bool operation = false;
  std::vector<KerasCall> calls;
  int64_t first_call = 0;  // what a reference calls the first: models inside count from 1 in some versions
};

class Reader {
 public:
  Reader(const std::string& file, KerasVersion version, spec::Problems& problems) : file_(file), version_(version), problems_(problems) {}

  KerasConfig read(const Node& model) {
    const std::string class_name = text_of(model.find("class_name"));
    if (!is_model_class(class_name)) {
      report(
          {},
          fmt::format(
              "is a model of class '{}', which is Python code that the file does not hold; build it with keras.Model(inputs, outputs) or "
              "Sequential and save it again",
              class_name));
      return std::move(result_);
    }
    const Node* config = model_config(model);
    register_layers(model, "", "", "", true);
    std::vector<std::string> outputs = read_model(model, "", "", "", nullptr);
    finish(config ? text_of(config->find("name")) : std::string(), std::move(outputs));
    if (holds_texts_) result_.tree = Node();  // all has been said
    return std::move(result_);
  }

 private:
  void report(const std::string& layer, const std::string& message) {
    spec::Place place;
    place.file = layer.empty() ? file_ : fmt::format("{}: {}", file_, layer);
    problems_.add(place, "", message);
  }
  static std::string describe(const Entry& entry) { return fmt::format("layer '{}' ({})", entry.name, entry.class_name); }

  // A Sequential of Keras 1 holds its list of layers where others have the config.
  static const Node* model_config(const Node& model) {
    const Node* config = model.find("config");
    return config && config->is_map() ? config : nullptr;
  }

  static const Node* layer_list(const Node& model) {
    const Node* config = model.find("config");
    if (config && config->is_list()) return config;
    const Node* layers = config ? config->find("layers") : nullptr;
    return layers && layers->is_list() ? layers : nullptr;
  }

  std::vector<Entry> read_entries(const Node& model, bool sequential, const std::string& path) {
    std::vector<Entry> entries;
    const Node* layers = layer_list(model);
    if (!layers || layers->items().empty()) {
      report({}, "has a model without layers");
      return entries;
    }
    std::map<std::string, int> counts;
    for (const Node& layer : layers->items()) {
      Entry entry;
      entry.node = &layer;
      entry.class_name = text_of(layer.find("class_name"));
      // The name of its Python class, under which Keras also keeps its weights.
      if (entry.class_name == "GroupedQueryAttention") entry.class_name = "GroupQueryAttention";
      entry.config = layer.find("config");
      if (entry.class_name.empty() || !entry.config) {
        report({}, "has a layer without class_name or config");
        continue;
      }
      entry.name = text_of(layer.find("name"));
      if (entry.name.empty()) entry.name = text_of(entry.config->find("name"));
      if (entry.name.empty()) entry.name = snake_case(entry.class_name);
      entry.operation = is_operation(layer);
      if (!sequential) entry.calls = read_inbound_nodes(layer.find("inbound_nodes"), entry.operation);
      if (!entry.operation && !(sequential && entry.class_name == "InputLayer")) {
        const std::string snake = weight_group_name(entry.class_name);
        const int count = counts[snake]++;
        entry.path = fmt::format("{}layers/{}{}", path.empty() ? "" : path + "/", snake, count == 0 ? "" : fmt::format("_{}", count));
        if (const auto same = same_object_.find(entry.path); same != same_object_.end()) entry.path = same->second;
      }
      entries.push_back(std::move(entry));
    }
    return entries;
  }

  // The refs of the model's outputs. `inputs`: what its inputs are bound to; null: they are the inputs of the whole.
  std::vector<std::string> read_model(const Node& model, const std::string& prefix, const std::string& path, const std::string& outermost,
                                      const std::vector<std::string>* inputs) {
    const bool sequential = text_of(model.find("class_name")) == "Sequential";
    std::vector<Entry> entries = read_entries(model, sequential, path);
    return sequential ? read_sequential(model, entries, prefix, path, outermost, inputs)
                      : read_functional(model, entries, prefix, outermost, inputs);
  }

  // Names and weight paths, in the order of the file. An object that several models share has its weights where it comes first.
  void register_layers(const Node& model, const std::string& path, const std::string& prefix, const std::string& outermost,
                       bool trainable) {
    spec::Problems ignored;  // reported when the model is read
    Reader quiet(file_, version_, ignored);
    for (const Entry& entry : quiet.read_entries(model, text_of(model.find("class_name")) == "Sequential", path)) {
      if (entry.path.empty() || entry.class_name == "InputLayer") continue;
      if (const Node* id = entry.node->find("shared_object_id"); id && id->kind() == spec::Kind::kInt) {
        const auto [first, is_new] = first_path_.emplace(id->as_int(), entry.path);
        if (!is_new) {
          same_object_[entry.path] = first->second;
          continue;
        }
      }
      const Node* flag = entry.config->find("trainable");
      const bool own = trainable && !(flag && *flag == Node::boolean(false));
      const std::string top = outermost.empty() ? entry.name : outermost;
      if (is_model_class(entry.class_name)) {
        register_layers(*entry.node, entry.path, prefix + entry.name + "_", top, own);
        continue;
      }
      const Node* masks = entry.config->find("mask_zero");
      makes_masks_ |= entry.class_name == "Masking" || (masks && *masks == Node::boolean(true));
      const std::string name = unique_name(prefix + entry.name);
      names_[entry.path] = name;
      const Node* mark = entry.node->find(kKeras1Mark);
      result_.layers.push_back({name, entry.class_name, entry.path, top, own, mark ? *mark : Node()});
    }
  }

  std::string unique_name(std::string name) {
    std::replace(name.begin(), name.end(), '/', '_');
    std::string unique = name;
    for (int i = 1; !used_.insert(unique).second; ++i) unique = fmt::format("{}_{}", name, i);
    return unique;
  }

  // ---- inputs
  std::string add_input(const std::string& name, const Node* shape, const std::string& dtype) {
    Node::Map input;
    input.emplace_back("batch_shape", shape ? *shape : Node());
    if (!dtype.empty() && dtype != "float32") input.emplace_back("dtype", Node::string(dtype));
    const std::string unique = unique_name(name);
    spec::Place place;
    place.file = fmt::format("{}: input '{}'", file_, unique);
    Node node = Node::map(std::move(input));
    set_place(node, place);
    inputs_.emplace_back(unique, std::move(node));
    return unique;
  }

  static const Node* shape_of(const Node& config) {
    for (const char* key : {"batch_shape", "batch_input_shape"})
      if (const Node* shape = config.find(key); shape && shape->is_list()) return shape;
    return nullptr;
  }

  std::string add_input_layer(const Entry& entry) {
    for (const char* key : {"sparse", "ragged", "optional"})
      if (const Node* flag = entry.config->find(key); flag && *flag == Node::boolean(true))
        report(describe(entry), fmt::format("is {}, which is not supported", key));
    const Node* shape = shape_of(*entry.config);
    if (!shape) report(describe(entry), "has no shape");
    const std::string dtype = import_dtype(*entry.config);
    if (dtype == "string") {
      report(
          describe(entry),
          fmt::format("holds texts, which a model does not take here: save the model from behind StringLookup or TextVectorization on, and "
                      "give these to the data section, with their vocabulary (preprocess: {{{}: [TextVectorization: ...]}})",
                      entry.name));
      holds_texts_ = true;
    }
    return add_input(entry.name, shape, dtype);
  }

  // The input of a Sequential model that begins with another layer.
  std::string add_first_input(const Node& model, const Entry& first) {
    const Node* config = model_config(model);
    const Node* shape = shape_of(*first.config);
    std::string dtype;
    for (const Node* inner = first.node; !shape && inner && is_model_class(text_of(inner->find("class_name")));) {
      const Node* layers = layer_list(*inner);
      inner = layers && !layers->items().empty() ? &layers->items()[0] : nullptr;
      if (const Node* inner_config = inner ? inner->find("config") : nullptr)
        shape = shape_of(*inner_config), dtype = shape ? import_dtype(*inner_config) : "";
    }
    if (!shape && config) shape = config->find("build_input_shape");
    if (const Node* build = model.find("build_config"); (!shape || !shape->is_list()) && build) shape = build->find("input_shape");
    if (!shape || !shape->is_list()) {
      report({}, "the Sequential model was never built: its input shape is unknown. Add an Input layer and save it again");
      shape = nullptr;
    }
    return add_input(first.name + "_input", shape, dtype);
  }

  // ---- layers
  static void set_place(Node& node, const spec::Place& place) {
    node.set_place(place);
    if (node.own_key_place().file.empty()) node.set_own_key_place(place);
    if (node.is_list())
      for (Node& item : node.items()) set_place(item, place);
    if (node.is_map())
      for (auto& [key, value] : node.entries()) set_place(value, place), value.set_own_key_place(place);
  }

  void add_layer(const std::string& class_name, Node config, const std::string& description) {
    spec::Place place;
    place.file = fmt::format("{}: {}", file_, description);
    Node item = Node::map({{class_name, std::move(config)}});
    set_place(item, place);
    layers_.push_back(std::move(item));
  }

  static Node input_list(const std::vector<std::string>& refs) {
    if (refs.size() == 1) return Node::string(refs[0]);
    std::vector<Node> items;
    for (const std::string& ref : refs) items.push_back(Node::string(ref));
    return Node::list(std::move(items));
  }

  // Python code, or a class of somebody else under a known name.
  bool refuse_code(const Entry& entry) {
    const std::string module = text_of(entry.node->find("module")), registered = text_of(entry.node->find("registered_name"));
    if (entry.class_name == "Lambda") {
      report(describe(entry), "is Python code, which is never run; replace it by layers, or by the operations of keras.ops");
    } else if (!module.empty() && module != "keras" && !module.starts_with("keras.") && !module.starts_with("tf_keras") &&
               !module.starts_with("tensorflow.")) {
      report(describe(entry), fmt::format("is Python code of the module '{}', which is never loaded", module));
    } else if (registered.find('>') != std::string::npos && !registered.starts_with("Keras") && !registered.starts_with("keras")) {
      report(describe(entry), fmt::format("is the custom class '{}', which is Python code that the file does not hold", registered));
    } else {
      return false;
    }
    return true;
  }

  // One call of a layer; its first output.
  std::string add_call(const Entry& entry, const KerasCall& call, const std::vector<std::string>& refs) {
    const std::string& name = names_.at(entry.path);
    if (call.has_state && call.masks.empty() && version_ == KerasVersion::k3 && makes_masks_) {
      // Keras 3 passes no mask to a recurrent layer that is given its state. An expression drops masks.
      const std::string bare = unique_name(name + "_input");
      add_layer("Lambda", Node::map({{"expression", Node::string("x")}, {"name", Node::string(bare)}, {"inputs", Node::string(refs[0])}}),
                describe(entry));
      std::vector<std::string> replaced = refs;
      replaced[0] = bare;
      KerasCall rest = call;
      rest.has_state = false;
      return add_call(entry, rest, replaced);
    }
    for (const std::string& argument : call.problems)
      report(describe(entry), fmt::format("is called with '{}', which is not supported", argument));
    if (call.training == "true" && !trains_by_default(entry.class_name))
      report(describe(entry), "is called with training=True, so that it acts in inference as in training; that is not supported");
    if (!emitted_.insert(entry.path).second) {
      const std::string call_name = unique_name(name + "_call");
      Node arguments = Node::map({{"layer", Node::string(name)}, {"name", Node::string(call_name)}, {"inputs", input_list(refs)}});
      if (call.reverse) arguments.set("reverse", Node::boolean(true));
      add_layer("call", std::move(arguments), describe(entry));
      return call_name;
    }
    if (refuse_code(entry)) return add_placeholder(entry, name, refs);
    if (version_ == KerasVersion::k2 && entry.class_name == "RandomCrop")
      report(describe(entry), "is a layer of Keras 2 that resizes at inference, which that of Keras 3 does not; replace it by CenterCrop");
    Node config = import_layer_config(entry.class_name, entry.config->is_map() ? *entry.config : Node::map({}), version_);
    if (call.reverse) config.set("reverse", Node::boolean(true));
    if (call.causal) config.set("use_causal_mask", Node::boolean(true));
    if (call.scores) config.set("return_attention_scores", Node::boolean(true));
    config.set("name", Node::string(name));
    config.set("inputs", input_list(refs));
    add_layer(entry.class_name, std::move(config), describe(entry));
    return name;
  }

  // In place of what was refused, so that no other message follows from it.
  std::string add_placeholder(const Entry& entry, const std::string& name, const std::vector<std::string>& refs) {
    add_layer("Activation",
              Node::map({{"activation", Node::string("linear")}, {"name", Node::string(name)}, {"inputs", Node::string(refs[0])}}),
              describe(entry));
    return name;
  }

  std::string add_operation(const Entry& entry, const KerasCall& call, const std::vector<std::string>& refs) {
    const std::string name = unique_name(entry.name);
    const std::optional<ReadOperation> read = operation_expression(entry.class_name, *entry.config, call);
    if (!read) {
      report(fmt::format("operation '{}' ({})", entry.name, entry.class_name),
             "is not supported; known are arithmetic and functions of single elements");
      return add_placeholder(entry, name, refs);
    }
    Node config = Node::map({{"expression", Node::string(read->expression)}, {"name", Node::string(name)}, {"inputs", input_list(refs)}});
    if (!read->constants.empty()) config.set("constants", Node::list(read->constants));
    add_layer("Lambda", std::move(config), fmt::format("operation '{}' ({})", entry.name, entry.class_name));
    return name;
  }

  std::vector<std::string> read_inner(const Entry& entry, const std::string& prefix, const std::string& outermost,
                                      const std::vector<std::string>& refs) {
    return read_model(*entry.node, prefix + entry.name + "_", entry.path, outermost.empty() ? entry.name : outermost, &refs);
  }

  // ---- Sequential
  std::vector<std::string> read_sequential(const Node& model, const std::vector<Entry>& entries, const std::string& prefix,
                                           const std::string&, const std::string& outermost, const std::vector<std::string>* inputs) {
    std::vector<std::string> refs;
    if (inputs) refs = *inputs;
    for (const Entry& entry : entries) {
      if (entry.class_name == "InputLayer") {
        if (refs.empty()) refs = {add_input_layer(entry)};
        continue;
      }
      if (refs.empty()) refs = {add_first_input(model, entry)};
      if (is_model_class(entry.class_name)) {
        refs = read_inner(entry, prefix, outermost, refs);
      } else {
        refs = {add_call(entry, {}, refs)};
      }
      if (refs.empty()) return {};
    }
    return refs;
  }

  // ---- Functional
  using CallId = std::pair<size_t, size_t>;  // entry, call

  struct Network {
    std::vector<Entry>& entries;
    std::map<std::string, size_t> index;
    std::map<CallId, std::vector<std::string>> results;  // refs of the outputs
    std::set<std::string> bad;
  };

  // nullopt after reporting.
  std::optional<CallId> find_call(Network& net, const KerasTensor& tensor, const std::string& user) {
    const auto found = net.index.find(tensor.layer);
    if (found != net.index.end()) {
      const Entry& entry = net.entries[found->second];
      const int64_t call = tensor.node - entry.first_call;
      const int64_t calls = entry.class_name == "InputLayer" ? 1 : static_cast<int64_t>(entry.calls.size());
      if (call >= 0 && call < calls) return CallId{found->second, static_cast<size_t>(call)};
    }
    report(user, fmt::format("refers to call {} of '{}', which the file does not hold", tensor.node, tensor.layer));
    return std::nullopt;
  }

  static std::vector<KerasTensor> refs_in(const Node& model, const char* key) {
    const Node* config = model_config(model);
    const Node* refs = config ? config->find(key) : nullptr;
    return refs ? read_tensor_refs(*refs) : std::vector<KerasTensor>();
  }

  // Models inside count their calls from 0 or from 1: the last call is always referred to.
  static void find_first_calls(Network& net, const std::vector<KerasTensor>& outputs) {
    std::map<std::string, int64_t> highest;
    const auto see = [&](const KerasTensor& tensor) {
      int64_t& most = highest[tensor.layer];
      most = std::max(most, tensor.node);
    };
    for (const Entry& entry : net.entries)
      for (const KerasCall& call : entry.calls)
        for (const KerasTensor& tensor : call.inputs) see(tensor);
    for (const KerasTensor& tensor : outputs) see(tensor);
    for (Entry& entry : net.entries)
      if (is_model_class(entry.class_name) && highest[entry.name] == static_cast<int64_t>(entry.calls.size())) entry.first_call = 1;
  }

  bool bind_inputs(Network& net, const Node& model, const std::vector<std::string>* inputs) {
    std::vector<KerasTensor> given = refs_in(model, "input_layers");
    if (given.empty()) report({}, "has a Functional model without input_layers");
    if (inputs && inputs->size() != given.size()) {
      report({}, fmt::format("has an inner model with {} inputs that is called with {}", given.size(), inputs->size()));
      return false;
    }
    for (size_t i = 0; i < given.size(); ++i) {
      const std::optional<CallId> id = find_call(net, given[i], "input_layers");
      if (!id) return false;
      if (net.entries[id->first].class_name != "InputLayer") {
        report(describe(net.entries[id->first]), "is given as an input, but is no InputLayer");
        return false;
      }
      net.results[*id] = {inputs ? (*inputs)[i] : add_input_layer(net.entries[id->first])};
    }
    return !given.empty();
  }

  // The calls that the outputs need, mask arguments apart.
  bool find_needed(Network& net, const std::vector<KerasTensor>& outputs, std::set<CallId>& needed) {
    std::vector<CallId> open;
    const auto need = [&](const KerasTensor& tensor, const std::string& user) {
      const std::optional<CallId> id = find_call(net, tensor, user);
      if (id && needed.insert(*id).second) open.push_back(*id);
      return id.has_value();
    };
    bool good = true;
    for (const KerasTensor& tensor : outputs) good &= need(tensor, "output_layers");
    while (!open.empty()) {
      const auto [e, c] = open.back();
      open.pop_back();
      const Entry& entry = net.entries[e];
      if (entry.class_name == "InputLayer") continue;
      for (const KerasTensor& tensor : entry.calls[c].inputs) good &= need(tensor, describe(entry));
    }
    return good;
  }

  // A mask argument is left to our own propagation of masks, so it has to be what Keras would have computed: made by operations from
  // the input of an Embedding with mask_zero or a Masking layer.
  bool is_own_mask(Network& net, const KerasTensor& tensor, int depth = 0) {
    const auto found = net.index.find(tensor.layer);
    if (found == net.index.end() || depth > 200) return false;
    const Entry& entry = net.entries[found->second];
    const int64_t c = tensor.node - entry.first_call;
    if (!entry.operation || c < 0 || c >= static_cast<int64_t>(entry.calls.size())) return entry.class_name != "InputLayer";
    const KerasCall& call = entry.calls[static_cast<size_t>(c)];
    if (entry.class_name == "NotEqual")
      return call.inputs.size() == 1 &&
             std::any_of(net.entries.begin(), net.entries.end(), [&](const Entry& other) { return makes_mask(other, call); });
    return std::all_of(call.inputs.begin(), call.inputs.end(), [&](const KerasTensor& t) { return is_own_mask(net, t, depth + 1); });
  }

  static bool makes_mask(const Entry& entry, const KerasCall& mask) {
    const Node *flag = entry.config->find("mask_zero"), *value = entry.config->find("mask_value");
    const bool embeds = entry.class_name == "Embedding" && flag && *flag == Node::boolean(true),
               masks = entry.class_name == "Masking" && value;
    if (!embeds && !masks) return false;
    const double wanted = masks && value->is_number() ? value->as_double() : 0;
    const Node* given = nullptr;
    for (const KerasArgument& argument : mask.arguments)
      if (!argument.is_tensor) given = &argument.value;
    if (!given || !given->is_number() || given->as_double() != wanted) return false;
    return std::any_of(entry.calls.begin(), entry.calls.end(), [&](const KerasCall& call) {
      return !call.inputs.empty() && call.inputs[0].layer == mask.inputs[0].layer && call.inputs[0].node == mask.inputs[0].node &&
             call.inputs[0].tensor == mask.inputs[0].tensor;
    });
  }

  // A mask that Softmax is given as such is an input of ours.
  void take_softmax_masks(Network& net) {
    for (Entry& entry : net.entries) {
      if (entry.class_name != "Softmax" || entry.operation) continue;
      for (KerasCall& call : entry.calls)
        if (call.masks.size() == 1 && !is_own_mask(net, call.masks[0])) {
          call.inputs.push_back(call.masks[0]);
          call.masks.clear();
        }
    }
  }

  // "" after reporting.
  std::string ref_of(Network& net, const KerasTensor& tensor, const std::string& user) {
    const std::optional<CallId> id = find_call(net, tensor, user);
    if (!id) return "";
    const std::vector<std::string>& results = net.results.at(*id);
    const Entry& entry = net.entries[id->first];
    const size_t output = static_cast<size_t>(tensor.tensor);
    if (entry.class_name == "InputLayer" || is_model_class(entry.class_name)) {
      if (output < results.size()) return results[output];
      report(user, fmt::format("refers to output {} of '{}', which has {}", output, entry.name, results.size()));
      return "";
    }
    return output == 0 ? results[0] : fmt::format("{}:{}", results[0], output);
  }

  bool emit_call(Network& net, CallId id, const std::string& prefix, const std::string& outermost) {
    const Entry& entry = net.entries[id.first];
    const KerasCall& call = entry.calls[id.second];
    std::vector<std::string> refs;
    for (const KerasTensor& tensor : call.inputs) {
      refs.push_back(ref_of(net, tensor, describe(entry)));
      if (refs.back().empty()) return false;
    }
    for (const KerasTensor& mask : call.masks)
      if (!is_own_mask(net, mask))
        report(describe(entry),
               fmt::format("takes its mask from '{}'; only masks of Embedding and Masking layers are supported", mask.layer));
    if (refs.empty()) {
      report(describe(entry), "has a call without inputs");
      return false;
    }
    if (is_model_class(entry.class_name)) {
      net.results[id] = read_inner(entry, prefix, outermost, refs);
      return !net.results[id].empty();
    }
    net.results[id] = {entry.operation ? add_operation(entry, call, refs) : add_call(entry, call, refs)};
    return true;
  }

  // Calls become ready in the order of the file as far as their inputs allow.
  bool emit_calls(Network& net, const std::set<CallId>& needed, const std::string& prefix, const std::string& outermost) {
    std::map<CallId, size_t> waiting;
    std::map<CallId, std::vector<CallId>> users;
    std::set<CallId> ready;
    for (const CallId& id : needed) {
      if (net.results.contains(id)) continue;
      const Entry& entry = net.entries[id.first];
      if (entry.class_name == "InputLayer") {
        report(describe(entry), "is no input of the model");
        return false;
      }
      std::set<CallId> sources;
      for (const KerasTensor& tensor : entry.calls[id.second].inputs) {
        const CallId source = *find_call(net, tensor, describe(entry));
        if (!net.results.contains(source)) sources.insert(source);
      }
      waiting[id] = sources.size();
      for (const CallId& source : sources) users[source].push_back(id);
      if (sources.empty()) ready.insert(id);
    }
    size_t left = waiting.size();
    while (!ready.empty()) {
      const CallId id = *ready.begin();
      ready.erase(ready.begin());
      if (!emit_call(net, id, prefix, outermost)) return false;
      --left;
      for (const CallId& user : users[id])
        if (--waiting[user] == 0) ready.insert(user);
    }
    if (left > 0) report({}, "has layers that take their own output as input");
    return left == 0;
  }

  std::vector<std::string> read_functional(const Node& model, std::vector<Entry>& entries, const std::string& prefix,
                                           const std::string& outermost, const std::vector<std::string>* inputs) {
    Network net{entries, {}, {}, {}};
    for (size_t i = 0; i < entries.size(); ++i)
      if (!net.index.emplace(entries[i].name, i).second) {
        report(describe(entries[i]), "has the name of another layer");
        return {};
      }
    const std::vector<KerasTensor> outputs = refs_in(model, "output_layers");
    if (outputs.empty()) {
      report({}, "has a Functional model without output_layers");
      return {};
    }
    find_first_calls(net, outputs);
    take_softmax_masks(net);
    std::set<CallId> needed;
    if (!bind_inputs(net, model, inputs) || !find_needed(net, outputs, needed) || !emit_calls(net, needed, prefix, outermost)) return {};
    std::vector<std::string> refs;
    for (const KerasTensor& tensor : outputs) refs.push_back(ref_of(net, tensor, "output_layers"));
    if (std::any_of(refs.begin(), refs.end(), [](const std::string& ref) { return ref.empty(); })) return {};
    return refs;
  }

  // ---- the whole
  static void erase_dtype(Node& config) {
    std::erase_if(config.entries(), [](const auto& entry) { return entry.first == "dtype"; });
    for (const char* key : {"layer", "backward_layer"})
      if (Node* child = config.find(key); child && child->is_map() && child->entries().size() == 1 && child->entries()[0].second.is_map())
        erase_dtype(child->entries()[0].second);
  }

  // Where every layer computes in float32, the precision of a later run may decide.
  void drop_common_dtype() {
    const auto config_of = [](Node& item) -> Node& { return item.entries()[0].second; };
    const bool plain = std::all_of(layers_.begin(), layers_.end(), [&](Node& item) {
      const Node* dtype = config_of(item).find("dtype");
      return !dtype || text_of(dtype) == "float32";
    });
    if (!plain) return;
    for (Node& item : layers_) erase_dtype(config_of(item));
  }

  void finish(const std::string& name, std::vector<std::string> outputs) {
    if (outputs.empty()) return;
    drop_common_dtype();
    spec::Place place;
    place.file = file_;
    std::vector<Node> names;
    for (const std::string& ref : outputs) names.push_back(Node::string(ref));
    Node tree = Node::map({});
    if (!name.empty()) tree.set("name", Node::string(name));
    tree.set("inputs", Node::map(std::move(inputs_)));
    tree.set("layers", Node::list(std::move(layers_)));
    tree.set("outputs", Node::list(std::move(names)));
    tree.set_place(place);
    for (auto& [key, value] : tree.entries()) {
      if (value.place().file.empty()) value.set_place(place);
      value.set_own_key_place(place);
    }
    result_.tree = std::move(tree);
  }

  std::string file_;
  KerasVersion version_;
  spec::Problems& problems_;
  bool holds_texts_ = false;  // an input does
  KerasConfig result_;
  Node::Map inputs_;
  std::vector<Node> layers_;
  bool makes_masks_ = false;
  std::set<std::string> used_, emitted_;
  std::map<int64_t, std::string> first_path_;       // by shared_object_id
  std::map<std::string, std::string> same_object_;  // path -> that of the same object
  std::map<std::string, std::string> names_;        // by path
};

}  // namespace

KerasConfig read_keras_config(const spec::Node& model, const std::string& file, KerasVersion version, spec::Problems& problems) {
  return Reader(file, version, problems).read(model);
}

}  // namespace dl
