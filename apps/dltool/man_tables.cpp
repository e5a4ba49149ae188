#include "man_tables.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <span>
#include <string_view>
#include <vector>

#include "help.h"
#include "keras_support.h"
#include "layers/activations.h"
#include "layers/layer.h"
#include "layers/losses.h"
#include "optimizers/optimizer.h"
#include "train/callback.h"
#include "train/metric.h"
#include "train/schedule.h"

namespace dl::app {
namespace {

std::string value_text(const spec::Node& node) {
  switch (node.kind()) {
    case spec::Kind::kNull:
      return "null";
    case spec::Kind::kBool:
      return node.as_bool() ? "true" : "false";
    case spec::Kind::kInt:
      return std::to_string(node.as_int());
    case spec::Kind::kFloat:
      return fmt::format("{}", node.as_double());
    case spec::Kind::kString:
      return node.as_string();
    case spec::Kind::kList: {
      std::vector<std::string> items;
      for (const spec::Node& item : node.items()) items.push_back(value_text(item));
      return fmt::format("[{}]", fmt::join(items, ", "));
    }
    case spec::Kind::kMap:
      return "{...}";
  }
  return "";
}

// What a value may be, where name and default do not say it.
std::string type_text(const ConfigKey& key) {
  switch (key.kind) {
    case KeyKind::kInt:
      return std::isfinite(key.min) ? fmt::format("integer >= {}", key.min) : "integer";
    case KeyKind::kFloat:
      return "number";
    case KeyKind::kBool:
      return "true or false";
    case KeyKind::kString:
      return "string";
    case KeyKind::kChoice:
      return fmt::format("{}", fmt::join(key.choices, " | "));
    case KeyKind::kTuple:
      return key.rank == 1 ? "integer" : fmt::format("integer or list of {}", key.rank);
    case KeyKind::kInts:
      return "integer or list of integers";
    case KeyKind::kFloats:
      return "number or list of numbers";
    case KeyKind::kActivation:
      return "activation";
    case KeyKind::kInitializer:
      return "initializer";
    case KeyKind::kRegularizer:
      return "regularizer";
    case KeyKind::kConstraint:
      return "constraint";
    case KeyKind::kLayer:
      return "layer";
    default:
      return "";
  }
}

std::string key_text(const ConfigKey& key) {
  // A default shows its own type.
  const bool needed = key.required || key.fallback.is_null() || key.kind == KeyKind::kChoice;
  const std::string type = needed ? type_text(key) : "";
  const std::string name = "\\fB" + roff(key.name) + "\\fR";
  const std::string shown = type.empty() ? "" : " (" + roff(type) + ")";
  return key.required ? name + shown + ", required" : name + " = " + roff(value_text(key.fallback)) + shown;
}

// One line per key would fill pages; the keys stand in one paragraph, those that must keep Keras's default at its end.
std::string keys_text(const std::vector<ConfigKey>& keys) {
  std::vector<std::string> texts, fixed;
  for (const ConfigKey& key : keys) {
    if (key.kind == KeyKind::kUnsupported)
      fixed.push_back(roff(key.name));
    else if (key.kind != KeyKind::kIgnored)
      texts.push_back(key_text(key));
  }
  std::string out;
  if (!texts.empty()) out += fmt::format(".br\n{}.\n", fmt::join(texts, "; "));
  if (!fixed.empty()) out += fmt::format(".br\nMust keep Keras's default: {}.\n", fmt::join(fixed, ", "));
  return out;
}

std::string entry(const std::string& heading, const std::string& summary, const std::vector<ConfigKey>& keys) {
  std::string text = roff(summary);
  if (!text.empty() && text.back() != '.') text += ".";
  return fmt::format(".TP\n.B {}\n{}\n{}", roff(heading), text, keys_text(keys));
}

std::string names_text(std::span<const std::string_view> names) { return roff(fmt::format("{}", fmt::join(names, ", "))) + ".\n"; }

std::string layers() {
  std::string out;
  for (const LayerDef* def : layer_table()) out += entry(def->class_name, def->summary, def->keys);
  return out;
}

std::string losses() {
  std::string out;
  for (const LossDef* def : loss_table()) {
    std::string heading = fmt::format("{}, {}", def->name, def->class_name);
    for (const char* alias : def->aliases) heading += fmt::format(", {}", alias);
    static constexpr const char* kTargets[] = {
        "Targets have the shape of the output", "Targets are class numbers", "Targets are numbers of groups, one for each sample",
        "Targets are sequences of class numbers above 0, filled up with 0; class 0 of the output is the blank"};
    out += entry(heading, kTargets[static_cast<size_t>(def->target)], def->keys);
  }
  return out;
}

std::string optimizers() {
  std::string out;
  for (const OptimizerDef* def : optimizer_table()) {
    std::string summary = def->summary;
    if (def->update) summary += fmt::format(" learning_rate = {}", def->default_learning_rate);
    if (def->default_weight_decay > 0) summary += fmt::format("; weight_decay = {}", def->default_weight_decay);
    out += entry(def->class_name, summary, def->keys);
  }
  return out;
}

std::string schedules() {
  std::string out;
  for (const ScheduleDef* def : schedule_table()) out += entry(def->class_name, def->summary, def->keys);
  return out;
}

std::string metrics() {
  std::string out;
  for (const MetricDef* def : metric_table()) {
    std::string heading = def->name;
    if (std::string_view(def->class_name) != heading) heading += fmt::format(", {}", def->class_name);
    for (const char* alias : def->aliases) heading += fmt::format(", {}", alias);
    out += entry(heading, def->summary, def->keys);
  }
  return out;
}

std::string callbacks() {
  std::string out;
  for (const CallbackDef* def : callback_table()) out += entry(def->class_name, def->summary, def->keys);
  return out;
}

std::string functions() {
  static constexpr std::string_view kUnary[] = {
#define DL_UNARY(name, value, grad) #name,
#define DL_BINARY(name, value, grad_a, grad_b)
#define DL_COMPARE(name, value)
#include "ops/elementwise.def"
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE
  };
  static constexpr std::string_view kBinary[] = {
#define DL_UNARY(name, value, grad)
#define DL_BINARY(name, value, grad_a, grad_b) #name,
#define DL_COMPARE(name, value) #name,
#include "ops/elementwise.def"
#undef DL_UNARY
#undef DL_BINARY
#undef DL_COMPARE
  };
  return ".TP\nof one value\n" + names_text(kUnary) + ".TP\nof two values\n" + names_text(kBinary);
}

// Paragraphs of names with a comma between; those with something to say about them follow, a line each.
std::string support() {
  const std::vector<KerasClass> classes = keras_classes();
  std::string out;
  for (size_t begin = 0; begin < classes.size();) {
    size_t end = begin;
    while (end < classes.size() && classes[end].kind == classes[begin].kind) ++end;
    const std::span<const KerasClass> kind(classes.data() + begin, end - begin);
    std::vector<std::string_view> there, missing;
    std::string notes;
    for (const KerasClass& c : kind) {
      if (c.support == Support::kYes) there.push_back(c.name);
      if (c.support == Support::kNo && c.note.empty()) missing.push_back(c.name);
      if (c.support != Support::kYes && !c.note.empty())
        notes += fmt::format(".br\n{}: {}{}.\n", roff(std::string(c.name)),
                             c.support == Support::kOtherwise ? "" : std::string(name_of(c.support)) + "; ", roff(std::string(c.note)));
    }
    out += fmt::format(".SS {} ({} of {})\n", roff(std::string(kind[0].kind)), there.size(), kind.size()) + names_text(there);
    if (!missing.empty()) out += ".PP\nNot there: " + names_text(missing);
    if (!notes.empty()) out += ".PP\nOtherwise:\n" + notes;
    begin = end;
  }
  return out;
}

}  // namespace

std::string man_table(const std::string& name) {
  if (name == "layers") return layers();
  if (name == "activations") return names_text(activation_names());
  if (name == "losses") return losses();
  if (name == "optimizers") return optimizers();
  if (name == "schedules") return schedules();
  if (name == "metrics") return metrics();
  if (name == "callbacks") return callbacks();
  if (name == "functions") return functions();
  if (name == "support") return support();
  return "";
}

}  // namespace dl::app
