// Accuracies: shares of samples whose prediction is right.
#include <algorithm>

#include "train/metrics/values.h"

namespace dl {
namespace {

class BinaryAccuracy : public MeanMetric {
 public:
  BinaryAccuracy(std::string name, double threshold) : MeanMetric(std::move(name)), threshold_(static_cast<float>(threshold)) {}
  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    check_same_size(y_true, y_pred);
    const FloatValues truth(y_true), predicted(y_pred);
    add(predicted.size(), weights, [&](int64_t i) { return truth[i] == (predicted[i] > threshold_ ? 1.0f : 0.0f) ? 1.0 : 0.0; });
  }

 private:
  float threshold_;
};

class ClassAccuracy : public MeanMetric {
 public:
  ClassAccuracy(std::string name, bool sparse) : MeanMetric(std::move(name)), sparse_(sparse) {}
  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    const Rows rows(y_pred);
    const std::vector<int64_t> labels = class_of_rows(y_true, rows, sparse_);
    add(rows.count, weights, [&](int64_t i) { return argmax(rows.row(i), rows.classes) == labels[static_cast<size_t>(i)] ? 1.0 : 0.0; });
  }

 private:
  bool sparse_;
};

class TopKAccuracy : public MeanMetric {
 public:
  TopKAccuracy(std::string name, bool sparse, int64_t k) : MeanMetric(std::move(name)), sparse_(sparse), k_(k) {}
  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    const Rows rows(y_pred);
    const std::vector<int64_t> labels = class_of_rows(y_true, rows, sparse_);
    add(rows.count, weights, [&](int64_t i) {
      const int64_t label = labels[static_cast<size_t>(i)];
      if (label < 0 || label >= rows.classes) return 0.0;
      // Equal predictions share the better place.
      const float* row = rows.row(i);
      return std::count_if(row, row + rows.classes, [&](float p) { return p > row[label]; }) < k_ ? 1.0 : 0.0;
    });
  }

 private:
  bool sparse_;
  int64_t k_;
};

class EqualValues : public MeanMetric {
 public:
  using MeanMetric::MeanMetric;
  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    check_same_size(y_true, y_pred);
    const FloatValues truth(y_true), predicted(y_pred);
    add(predicted.size(), weights, [&](int64_t i) { return truth[i] == predicted[i] ? 1.0 : 0.0; });
  }
};

// Whether the true class stands among the first k of a row of class numbers.
class SortedTopK : public MeanMetric {
 public:
  SortedTopK(std::string name, int64_t k) : MeanMetric(std::move(name)), k_(k) {}
  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    const Rows rows(y_pred);
    const FloatValues truth(y_true);
    add(rows.count, weights, [&](int64_t i) {
      const float *row = rows.row(i), *end = row + std::min(k_, rows.classes);
      return std::find(row, end, truth[i]) != end ? 1.0 : 0.0;
    });
  }

 private:
  int64_t k_;
};

ConfigKey k_key() { return int_key("k", spec::Node::integer(5), 1); }
ConfigKey threshold_key() { return float_key("threshold", 0.5, 0, 1); }

}  // namespace

extern const MetricDef metric_equal_values;
const MetricDef metric_equal_values = {
    .name = "accuracy",
    .class_name = "Accuracy",
    .summary = "Share of predictions that equal their targets. The word accuracy chooses one of the next three by the shapes.",
    .direction = Direction::kUp,
    .make = [](const Config&, const std::string& name) -> std::unique_ptr<Metric> { return std::make_unique<EqualValues>(name); }};
extern const MetricDef metric_binary_accuracy;
const MetricDef metric_binary_accuracy = {"binary_accuracy",
                                          "BinaryAccuracy",
                                          "Share of values on the right side of the threshold.",
                                          {},
                                          {threshold_key()},
                                          Direction::kUp,
                                          TargetKind::kSame,
                                          [](const Config& c, const std::string& name) -> std::unique_ptr<Metric> {
                                            return std::make_unique<BinaryAccuracy>(name, c.real("threshold"));
                                          }};
extern const MetricDef metric_categorical_accuracy;
const MetricDef metric_categorical_accuracy = {
    "categorical_accuracy",
    "CategoricalAccuracy",
    "Share of samples whose likeliest class is the true one; one-hot targets.",
    {},
    {},
    Direction::kUp,
    TargetKind::kOneHot,
    [](const Config&, const std::string& name) -> std::unique_ptr<Metric> { return std::make_unique<ClassAccuracy>(name, false); }};
extern const MetricDef metric_sparse_categorical_accuracy;
const MetricDef metric_sparse_categorical_accuracy = {
    "sparse_categorical_accuracy",
    "SparseCategoricalAccuracy",
    "Share of samples whose likeliest class is the true one; targets are class indices.",
    {},
    {},
    Direction::kUp,
    TargetKind::kSparse,
    [](const Config&, const std::string& name) -> std::unique_ptr<Metric> { return std::make_unique<ClassAccuracy>(name, true); }};
extern const MetricDef metric_top_k_categorical_accuracy;
const MetricDef metric_top_k_categorical_accuracy = {"top_k_categorical_accuracy",
                                                     "TopKCategoricalAccuracy",
                                                     "Share of samples whose true class is among the k likeliest; one-hot targets.",
                                                     {},
                                                     {k_key()},
                                                     Direction::kUp,
                                                     TargetKind::kOneHot,
                                                     [](const Config& c, const std::string& name) -> std::unique_ptr<Metric> {
                                                       return std::make_unique<TopKAccuracy>(name, false, c.integer("k"));
                                                     }};
extern const MetricDef metric_sparse_top_k_categorical_accuracy;
const MetricDef metric_sparse_top_k_categorical_accuracy = {
    "sparse_top_k_categorical_accuracy",
    "SparseTopKCategoricalAccuracy",
    "Share of samples whose true class is among the k likeliest; targets are class indices.",
    {},
    {k_key(), bool_key("from_sorted_ids", false)},
    Direction::kUp,
    TargetKind::kSparse,
    [](const Config& c, const std::string& name) -> std::unique_ptr<Metric> {
      if (c.flag("from_sorted_ids")) return std::make_unique<SortedTopK>(name, c.integer("k"));
      return std::make_unique<TopKAccuracy>(name, true, c.integer("k"));
    }};

}  // namespace dl
