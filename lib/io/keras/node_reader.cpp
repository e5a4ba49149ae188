#include "io/keras/node_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace dl {
namespace {

using spec::Node;

bool is_int(const Node& node) { return node.kind() == spec::Kind::kInt; }

// ["dense", 0, 0] or ["dense", 0, 0, {keyword arguments}].
std::optional<KerasTensor> read_history(const Node& node) {
  if (!node.is_list() || node.items().size() < 3 || node.items().size() > 4) return std::nullopt;
  const std::vector<Node>& items = node.items();
  if (!items[0].is_string() || !is_int(items[1]) || !is_int(items[2]) || items[1].as_int() < 0 || items[2].as_int() < 0)
    return std::nullopt;
  return KerasTensor{items[0].as_string(), items[1].as_int(), items[2].as_int()};
}

// A tensor as Keras 3 writes it.
std::optional<KerasTensor> read_keras_tensor(const Node& node) {
  const Node* class_name = node.find("class_name");
  if (!class_name || !class_name->is_string() || class_name->as_string() != "__keras_tensor__") return std::nullopt;
  const Node* config = node.find("config");
  const Node* history = config ? config->find("keras_history") : nullptr;
  return history ? read_history(*history) : std::nullopt;
}

using FindTensor = std::optional<KerasTensor> (*)(const Node&);

// Every tensor in lists and maps, in order; false when there is something else besides.
bool collect(const Node& node, FindTensor find, std::vector<KerasTensor>& tensors) {
  if (std::optional<KerasTensor> tensor = find(node)) {
    tensors.push_back(*tensor);
    return true;
  }
  bool pure = true;
  if (node.is_list()) {
    for (const Node& item : node.items()) pure &= collect(item, find, tensors);
    return pure && !node.items().empty();
  }
  if (node.is_map()) {
    // Keras flattens dictionaries by key.
    std::vector<std::pair<std::string, const Node*>> entries;
    for (const auto& [key, value] : node.entries()) entries.emplace_back(key, &value);
    std::sort(entries.begin(), entries.end());
    for (const auto& [key, value] : entries) pure &= collect(*value, find, tensors);
    return pure && !entries.empty();
  }
  return false;
}

bool is_mask_name(std::string_view name) { return name == "mask" || name == "query_mask" || name == "value_mask" || name == "key_mask"; }
bool is_default(const Node& value) { return value.is_null() || value == Node::boolean(false); }

void read_keyword(const std::string& name, const Node& value, FindTensor find, KerasCall& call,
                  std::vector<std::pair<int, std::vector<KerasTensor>>>& ordered) {
  std::vector<KerasTensor> tensors;
  const bool pure = collect(value, find, tensors);
  if (is_mask_name(name) && (value.is_null() || !tensors.empty())) {
    call.masks.insert(call.masks.end(), tensors.begin(), tensors.end());
  } else if (name == "training" && value.kind() == spec::Kind::kBool) {
    call.training = value.as_bool() ? "true" : "false";
  } else if (name == "use_causal_mask" && value.kind() == spec::Kind::kBool) {
    call.causal = value.as_bool();
  } else if (name == "reverse" && value.kind() == spec::Kind::kBool) {
    call.reverse = value.as_bool();
  } else if (name == "return_attention_scores" && value.kind() == spec::Kind::kBool) {
    call.scores = value.as_bool();
  } else if (is_default(value)) {
    return;
  } else if (pure && !tensors.empty()) {
    static constexpr std::string_view kOrder[] = {"inputs", "sequences",      "sequence",      "query",  "value",
                                                  "key",    "attention_mask", "initial_state", "states", "count_weights"};
    const auto found = std::find(std::begin(kOrder), std::end(kOrder), name);
    if (found == std::end(kOrder)) return call.problems.push_back(name);
    call.has_state |= name == "initial_state";
    call.has_attention_mask |= name == "attention_mask";
    ordered.emplace_back(static_cast<int>(found - std::begin(kOrder)), std::move(tensors));
  } else {
    call.problems.push_back(name);
  }
}

void add_argument(const std::string& keyword, const Node& value, FindTensor find, KerasCall& call) {
  KerasArgument argument{keyword, find(value).has_value(), {}, value};
  if (!collect(value, find, argument.tensors)) argument.tensors.clear();
  call.arguments.push_back(std::move(argument));
}

void read_keywords(const Node& keywords, FindTensor find, KerasCall& call) {
  std::vector<std::pair<int, std::vector<KerasTensor>>> ordered;
  for (const auto& [name, value] : keywords.entries()) {
    read_keyword(name, value, find, call, ordered);
    add_argument(name, value, find, call);
  }
  std::stable_sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [rank, tensors] : ordered) call.inputs.insert(call.inputs.end(), tensors.begin(), tensors.end());
  // The attention mask is the fourth input; the value is the key where none is given.
  if (call.has_attention_mask && call.inputs.size() == 3) call.inputs.insert(call.inputs.begin() + 2, call.inputs[1]);
}

// {"args": [...], "kwargs": {...}}
KerasCall read_new_call(const Node& node) {
  KerasCall call;
  if (const Node* args = node.find("args"); args && args->is_list()) {
    for (const Node& arg : args->items()) {
      collect(arg, read_keras_tensor, call.inputs);
      add_argument("", arg, read_keras_tensor, call);
    }
  }
  if (const Node* keywords = node.find("kwargs"); keywords && keywords->is_map()) read_keywords(*keywords, read_keras_tensor, call);
  return call;
}

bool is_constant(const Node& item) {
  return item.is_list() && item.items().size() == 4 && item.items()[0].is_string() && item.items()[0].as_string() == "_CONSTANT_VALUE";
}

// [["a", 0, 0, {...}], ["b", 0, 0, {...}]], or one of them alone, or a map of them. Each has all the keyword arguments.
KerasCall read_old_call(const Node& node) {
  KerasCall call;
  const bool alone = !node.is_list() || is_constant(node) || read_history(node);
  const std::vector<Node> items = alone ? std::vector<Node>{node} : node.items();
  KerasArgument first{"", alone && !is_constant(node), {}, is_constant(node) ? node.items()[2] : Node()};
  const Node* keywords = nullptr;
  for (const Node& item : items) {
    if (is_constant(item)) {
      call.problems.emplace_back("a constant");
    } else if (!collect(item, read_history, call.inputs)) {
      call.problems.emplace_back("an argument that is no tensor");
    }
    if (!keywords && item.is_list() && item.items().size() == 4 && item.items()[3].is_map()) keywords = &item.items()[3];
  }
  first.tensors = call.inputs;
  call.arguments.push_back(std::move(first));
  if (keywords) read_keywords(*keywords, read_history, call);
  return call;
}

}  // namespace

std::vector<KerasTensor> read_tensor_refs(const Node& history) {
  std::vector<KerasTensor> tensors;
  collect(history, read_history, tensors);
  return tensors;
}

std::vector<KerasCall> read_inbound_nodes(const spec::Node* nodes, bool function) {
  std::vector<KerasCall> calls;
  if (!nodes || !nodes->is_list()) return calls;
  for (const spec::Node& node : nodes->items()) {
    KerasCall call = node.is_map() && node.find("args") ? read_new_call(node) : read_old_call(node);
    if (function) {
      call.inputs.clear();
      call.masks.clear();
      call.problems.clear();
      for (const KerasArgument& argument : call.arguments)
        call.inputs.insert(call.inputs.end(), argument.tensors.begin(), argument.tensors.end());
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

}  // namespace dl
