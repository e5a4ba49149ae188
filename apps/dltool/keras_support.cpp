#include "keras_support.h"

#include <algorithm>
#include <iterator>

#include "layers/activations.h"
#include "layers/constraints.h"
#include "layers/initializers.h"
#include "layers/layer.h"
#include "layers/losses.h"
#include "layers/regularizers.h"
#include "optimizers/optimizer.h"
#include "train/callback.h"
#include "train/metric.h"
#include "train/schedule.h"

namespace dl::app {
namespace {

struct ApiRow {
  std::string_view kind, name;
};
constexpr ApiRow kApi[] = {
#define DL_KERAS(kind, name) {#kind, #name},
#include "keras_api.def"
#undef DL_KERAS
};

// What has no class of its own here, besides the layers of absent_layers().
struct NoteRow {
  std::string_view name;
  Support support;
  std::string_view note;
};
constexpr NoteRow kNotes[] = {
    {"Accuracy", Support::kYes, "for class numbers; 'accuracy' takes the kind that fits the loss"},
    {"Mean", Support::kOtherwise, "an expression as a metric"},
    {"Sum", Support::kOtherwise, "an expression as a metric, with reduction sum"},
    {"MeanMetricWrapper", Support::kOtherwise, "an expression as a metric"},
    {"BackupAndRestore", Support::kOtherwise, "dltool train --resume auto"},
    {"CSVLogger", Support::kOtherwise, "every run writes metrics.csv"},
    {"History", Support::kOtherwise, "every run writes metrics.jsonl"},
    {"ProgbarLogger", Support::kOtherwise, "the progress line"},
    {"TensorBoard", Support::kYes, "scalars in every run, histograms and pictures of weights on request"},
    {"threshold", Support::kOtherwise, "takes two numbers, so it is no name in Keras either: Lambda with where(x > t, x, v)"},
    {"LambdaCallback", Support::kNo, "Python code"},
    {"RemoteMonitor", Support::kNo, "metrics.jsonl can be read by other programs while a run goes on"},
    {"OrbaxCheckpoint", Support::kNo, "a format of JAX; ModelCheckpoint writes HDF5"},
    {"Layer", Support::kBaseClass, "a layer of your own: Lambda with an expression"},
    {"Wrapper", Support::kBaseClass, ""},
    {"InputSpec", Support::kBaseClass, ""},
    {"Loss", Support::kBaseClass, "a loss of your own: an expression"},
    {"Metric", Support::kBaseClass, "a metric of your own: an expression"},
    {"Optimizer", Support::kBaseClass, ""},
    {"OptimizerMap", Support::kBaseClass, ""},
    {"LearningRateSchedule", Support::kBaseClass, ""},
    {"Callback", Support::kBaseClass, ""},
    {"CallbackList", Support::kBaseClass, ""},
    {"Initializer", Support::kBaseClass, ""},
    {"Regularizer", Support::kBaseClass, ""},
    {"Constraint", Support::kBaseClass, ""},
};

template <class Table>
bool has_class(const Table& table, std::string_view name) {
  return std::any_of(std::begin(table), std::end(table), [&](const auto* def) { return name == def->class_name; });
}

template <class Read>
bool is_read(Read read, std::string_view name) {
  spec::Problems problems;
  const spec::Node config = spec::Node::map({{"class_name", spec::Node::string(std::string(name))}, {"config", spec::Node::map({})}});
  read(config, "", problems);
  // Another complaint, such as a key that is missing, comes from a class that is known.
  return std::none_of(problems.lines().begin(), problems.lines().end(),
                      [](const std::string& line) { return line.find("unknown") != std::string::npos; });
}

bool is_there(const ApiRow& row) {
  if (row.kind == "layer") return find_layer_def(row.name) != nullptr;
  if (row.kind == "loss") return has_class(loss_table(), row.name);
  if (row.kind == "metric") return has_class(metric_table(), row.name);
  if (row.kind == "optimizer") return has_class(optimizer_table(), row.name);
  if (row.kind == "schedule") return has_class(schedule_table(), row.name);
  if (row.kind == "callback") return has_class(callback_table(), row.name);
  if (row.kind == "initializer") return is_read(read_initializer, row.name);
  if (row.kind == "regularizer") return is_read(read_regularizer, row.name);
  const std::span<const std::string_view> names = row.kind == "constraint" ? constraint_names() : activation_names();
  return std::find(names.begin(), names.end(), row.name) != names.end();
}

}  // namespace

std::vector<KerasClass> keras_classes() {
  std::vector<KerasClass> classes;
  const std::span<const AbsentLayer> absent = absent_layers();
  for (const ApiRow& row : kApi) {
    const auto layer = std::find_if(absent.begin(), absent.end(), [&](const AbsentLayer& a) { return a.class_name == row.name; });
    if (layer != absent.end()) {
      classes.push_back({row.kind, row.name, layer->otherwise ? Support::kOtherwise : Support::kNo, layer->note});
      continue;
    }
    const auto note = std::find_if(std::begin(kNotes), std::end(kNotes), [&](const NoteRow& n) { return n.name == row.name; });
    if (note != std::end(kNotes))
      classes.push_back({row.kind, row.name, note->support, note->note});
    else
      classes.push_back({row.kind, row.name, is_there(row) ? Support::kYes : Support::kNo, ""});
  }
  return classes;
}

std::string_view name_of(Support support) {
  switch (support) {
    case Support::kYes:
      return "yes";
    case Support::kOtherwise:
      return "otherwise";
    case Support::kBaseClass:
      return "base class";
    case Support::kNo:
      break;
  }
  return "no";
}

}  // namespace dl::app
