#include "train/run_diff.h"

#include <fmt/format.h>

#include <map>

#include "spec/yaml.h"

namespace dl {
namespace {

void flatten(const spec::Node& node, const std::string& path, std::map<std::string, std::string>& into) {
  if (node.is_map()) {
    for (const auto& [key, child] : node.entries()) flatten(child, path.empty() ? key : path + "." + key, into);
  } else if (node.is_list()) {
    for (size_t i = 0; i < node.items().size(); ++i) flatten(node.items()[i], fmt::format("{}[{}]", path, i), into);
  } else {
    std::string text = spec::to_yaml(node);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    into[path] = text;
  }
}

// Keys that steer the course of a run but not what a step computes from the same state.
bool may_change(const std::string& path) {
  // A part split off from the training data changes what is trained on.
  if (path.rfind("data.validation.split", 0) == 0 || path.rfind("data.test.split", 0) == 0 || path.ends_with(".by")) return false;
  for (const char* prefix : {"training.epochs", "training.callbacks", "training.checkpoints", "training.log_steps", "training.on_nan",
                             "training.initial_weights", "training.skip_mismatch", "output", "data.workers", "data.prefetch",
                             "data.validation", "data.test", "training.metrics", "anomalies"})
    if (path.rfind(prefix, 0) == 0) return true;
  return path.find("learning_rate") != std::string::npos;
}

}  // namespace

std::vector<std::string> describe_changes(const std::string& saved_spec, const RunSpec& now) {
  std::map<std::string, std::string> before, after;
  flatten(spec::parse_yaml(saved_spec, "checkpoint"), "", before);
  flatten(self_contained(now), "", after);
  std::vector<std::string> changes, refused;
  const auto add = [&](const std::string& path, const std::string& was, const std::string& is) {
    (may_change(path) ? changes : refused).push_back(fmt::format("{}: {} -> {}", path, was, is));
  };
  for (const auto& [path, value] : before) {
    const auto it = after.find(path);
    if (it == after.end())
      add(path, value, "(not set)");
    else if (it->second != value)
      add(path, value, it->second);
  }
  for (const auto& [path, value] : after)
    if (!before.count(path)) add(path, "(not set)", value);
  if (!refused.empty()) {
    std::string text = "--resume: the run file has changed where a resumed run must not; start anew, or undo:";
    for (const std::string& line : refused) text += "\n  " + line;
    throw UserError(text);
  }
  return changes;
}

}  // namespace dl
