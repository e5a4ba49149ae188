#include "spec/defaults.h"

#include <charconv>
#include <string_view>

namespace dl::spec {
namespace {

// The key of `map` that `path` begins with, which may itself hold dots; "" when none does.
std::string_view known_key(const Node& map, std::string_view path) {
  std::string_view best;
  for (const auto& [key, value] : map.entries()) {
    const bool begins = path.starts_with(key) && (path.size() == key.size() || path[key.size()] == '.' || path[key.size()] == '[');
    if (begins && key.size() > best.size()) best = key;
  }
  return best;
}

void fill(Node& node, std::string_view path, const Node& value) {
  if (path.starts_with('.')) path.remove_prefix(1);
  if (path.starts_with('[')) {  // an item of a list that is there
    size_t index = 0;
    const size_t close = path.find(']');
    std::from_chars(path.data() + 1, path.data() + close, index);
    if (node.is_list() && index < node.items().size()) fill(node.items()[index], path.substr(close + 1), value);
    return;
  }
  if (path.empty()) return;  // there already
  const std::string_view first = path.substr(0, path.find_first_of(".["));
  if (node.is_string() && node.as_string() == first) node = Node::map({{std::string(first), Node::map({})}});
  if (node.is_null()) node = Node::map({});
  if (!node.is_map()) return;
  if (const Node* name = node.find("class_name"); name && name->is_string() && name->as_string() == first) {
    if (!node.find("config")) node.set("config", Node::map({}));
    return fill(*node.find("config"), path.substr(first.size()), value);
  }
  std::string_view key = known_key(node, path);
  if (key.empty()) {
    if (first.size() == path.size()) return node.set(first, value);
    if (path[first.size()] == '[') return;
    node.set(first, Node::map({}));
    key = first;
  }
  fill(*node.find(key), path.substr(key.size()), value);
}

}  // namespace

Node with_defaults(Node root, std::span<const Default> defaults) {
  for (const Default& entry : defaults) fill(root, entry.path, entry.value);
  return root;
}

}  // namespace dl::spec
