// Metrics on the host, with Keras's names, aliases, keys, defaults and numbers; one row of metrics.def each. A metric is a handful of
// sums, so those of several ranks merge by adding, element by element, and a checkpoint can hold them.
// Who uses it: the training loop, eval. Not thread-safe. Values are summed in double where Keras sums in float32.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "layers/config.h"
#include "spec/reader.h"
#include "tensor/tensor.h"

namespace dl {

enum class Direction { kUp, kDown };  // which way is better

class Metric {
 public:
  virtual ~Metric() = default;
  // y_pred: [samples, ...] of a floating type. y_true: class indices without the last axis (sparse metrics), else as many values as
  // y_pred. `weights`: empty, or one per sample or per sample and time step: y_pred's first axes. Throws FileError for a label that is
  // no class where that has no meaning.
  virtual void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights = {}) = 0;
  virtual double result() const = 0;                                  // 0 before any update, as in Keras
  virtual std::vector<double> results() const { return {result()}; }  // where a metric gives several, such as one per threshold
  void reset() { state_.assign(state_.size(), 0.0); }
  std::vector<double>& state() { return state_; }
  const std::vector<double>& state() const { return state_; }
  const std::string& name() const { return name_; }
  virtual bool takes_mask() const { return false; }  // Keras: means of values do, others do not

 protected:
  Metric(std::string name, size_t state_size) : state_(state_size, 0.0), name_(std::move(name)) {}
  std::vector<double> state_;

 private:
  std::string name_;
};

// What a metric needs of the target.
enum class TargetKind {
  kSame,    // a value for each prediction
  kNumber,  // the same, a quantity: measured in the units of the data, also where targets are scaled
  kOneHot,  // the same, with the classes on the last axis
  kSparse,  // class indices
  kAny,     // it looks itself
};

struct MetricTypes {
  TensorType y_true, y_pred;
};

struct MetricDef {
  const char* name;        // "top_k_categorical_accuracy"
  const char* class_name;  // "TopKCategoricalAccuracy"
  const char* summary;
  std::vector<const char*> aliases = {};
  std::vector<ConfigKey> keys = {};  // besides name
  Direction direction = Direction::kDown;
  TargetKind target = TargetKind::kSame;
  std::unique_ptr<Metric> (*make)(const Config& config, const std::string& name) = nullptr;
  // In place of `make`, where sizes matter. Throws UserError where the metric does not fit them.
  std::unique_ptr<Metric> (*make_for)(const Config& config, const std::string& name, const MetricTypes& types) = nullptr;
  void (*check)(const Config& config, spec::Reader& reader) = nullptr;
};
std::span<const MetricDef* const> metric_table();

// A validated metric; `def` is null for "accuracy" and "acc", which make_metric resolves by the shapes, and for an expression.
struct MetricSpec {
  const MetricDef* def = nullptr;
  std::string expression;
  Direction given_direction = Direction::kDown;  // of an expression
  bool sum = false;                              // of an expression: not the mean
  bool weighted = false;                         // by the samples' weights
  Config config;
  std::string name;  // in logs: as typed ("mse"), or the key `name`, or Keras's default name ("auc")
  // Whether scaled targets and predictions are brought back to the units of the data for it.
  bool in_units() const { return def ? def->target == TargetKind::kNumber : !expression.empty(); }
  Direction direction() const { return def ? def->direction : expression.empty() ? Direction::kUp : given_direction; }
};

// `metrics:` null, a name or a list of them for one output; with several outputs a map from output names to a name or list, or a list
// with one entry per output. One list per output comes back.
std::vector<std::vector<MetricSpec>> read_metrics(const spec::Node& node, std::span<const std::string> output_names,
                                                  const std::string& path, spec::Problems& problems);

// "accuracy" becomes the binary, sparse or categorical one as in Keras: binary where the last axis of y_pred has size 1, sparse where
// y_true lacks the last axis or has size 1 there. UserError where the metric does not fit the types.
std::unique_ptr<Metric> make_metric(const MetricSpec& spec, const TensorType& y_true, const TensorType& y_pred);

// A last axis of known size beside the batch, which the metric needs; UserError otherwise.
int64_t matrix_columns(const MetricTypes& types, const std::string& metric);

// The name in the logs: "accuracy", or "output_accuracy" where the model has several outputs.
std::string metric_log_name(const MetricSpec& spec, const std::string& output_name, size_t outputs);

}  // namespace dl
