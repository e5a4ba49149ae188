// A run file that can travel inside a checkpoint.
#include <filesystem>

#include "train/run_spec.h"

namespace dl {
namespace {

// Variables were expanded when the file was read; what looks like one now is plain text and stays so when read again.
void escape_variables(spec::Node& node) {
  if (node.is_string()) {
    std::string text = node.as_string();
    if (text.find("${") == std::string::npos) return;
    for (size_t at = text.find("${"); at != std::string::npos; at = text.find("${", at + 3)) text.insert(at, 1, '$');
    node = spec::Node::string(std::move(text));
  } else if (node.is_list()) {
    for (spec::Node& item : node.items()) escape_variables(item);
  } else if (node.is_map()) {
    for (auto& [key, value] : node.entries()) escape_variables(value);
  }
}

std::string absolute_from(const std::string& base_dir, const std::string& path) {
  return std::filesystem::absolute(std::filesystem::path(base_dir) / path).lexically_normal().string();
}

}  // namespace

spec::Node self_contained(const RunSpec& spec) {
  spec::Node root = spec.resolved;
  root.set("model", spec.model_tree);
  if (spec::Node* data = root.find("data"); data && data->is_map()) *data = with_absolute_paths(*data, spec.base_dir);
  if (spec::Node* training = root.find("training"); training && training->is_map())
    if (spec::Node* weights = training->find("initial_weights"); weights && weights->is_string() && !weights->as_string().empty())
      *weights = spec::Node::string(absolute_from(spec.base_dir, weights->as_string()));
  root.set("output", spec::Node::string(spec.output));
  escape_variables(root);
  return root;
}

spec::Node with_every_default(const RunSpec& spec) {
  spec::Node root = spec::with_defaults(self_contained(spec), spec.defaults);
  root.set("model", spec::with_defaults(*root.find("model"), spec.model_defaults));
  return root;
}

}  // namespace dl
