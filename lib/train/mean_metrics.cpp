// The metrics that are weighted means: accuracies, errors, crossentropies. Formulas as in Keras's metrics and losses.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "train/metric_values.h"

namespace dl {

WeightOf::WeightOf(std::span<const float> weights, int64_t count) : weights_(weights) {
  const auto n = static_cast<int64_t>(weights.size());
  if (n == 0) return;
  DL_CHECK(count % n == 0, fmt::format("{} weights do not fit {} values", n, count));
  repeat_ = std::max<int64_t>(1, count / n);
}

void check_same_size(const Tensor& y_true, const Tensor& y_pred) {
  const auto text = [](const Tensor& t) { return to_string(std::span<const int64_t>(t.dims())); };
  DL_CHECK(y_true.size() == y_pred.size(), fmt::format("targets {} do not fit predictions {}", text(y_true), text(y_pred)));
}

namespace {

constexpr float kEpsilon = 1e-7f;  // Keras's fuzz factor

// Predictions as rows of classes.
struct Rows {
  explicit Rows(const Tensor& y_pred) : values(y_pred), classes(y_pred.dims().empty() ? 1 : y_pred.dims().back()) {
    count = classes == 0 ? 0 : y_pred.size() / classes;
  }
  const float* row(int64_t i) const { return values.data() + i * classes; }
  FloatValues values;
  int64_t classes, count = 0;
};

int64_t argmax(const float* row, int64_t classes) { return std::max_element(row, row + classes) - row; }

// The class of each row, from one-hot rows or from indices. An index that is no class is kept.
std::vector<int64_t> class_of_rows(const Tensor& y_true, const Rows& rows, bool sparse) {
  std::vector<int64_t> labels(static_cast<size_t>(rows.count));
  if (sparse) {
    DL_CHECK(y_true.size() == rows.count, fmt::format("{} labels for {} predictions", y_true.size(), rows.count));
    const Tensor indices = y_true.cast(DType::kInt64);
    std::copy_n(indices.data<int64_t>(), rows.count, labels.begin());
    // Keras compares the label as a number, so 1.5 is no class.
    if (is_float(y_true.dtype())) {
      const FloatValues given(y_true);
      for (int64_t i = 0; i < rows.count; ++i) {
        if (given[i] != static_cast<float>(labels[static_cast<size_t>(i)])) labels[static_cast<size_t>(i)] = -1;
      }
    }
  } else {
    const Rows truth(y_true);
    DL_CHECK(truth.count == rows.count && truth.classes == rows.classes, "targets do not fit predictions");
    for (int64_t i = 0; i < rows.count; ++i) labels[static_cast<size_t>(i)] = argmax(truth.row(i), truth.classes);
  }
  return labels;
}

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

class SquaredError : public MeanMetric {
 public:
  SquaredError(std::string name, bool root) : MeanMetric(std::move(name)), root_(root) {}
  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    check_same_size(y_true, y_pred);
    const FloatValues truth(y_true), predicted(y_pred);
    add(predicted.size(), weights, [&](int64_t i) {
      const double error = double{predicted[i]} - double{truth[i]};
      return error * error;
    });
  }
  double result() const override { return root_ ? std::sqrt(MeanMetric::result()) : MeanMetric::result(); }

 private:
  bool root_;
};

class AbsoluteError : public MeanMetric {
 public:
  using MeanMetric::MeanMetric;
  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    check_same_size(y_true, y_pred);
    const FloatValues truth(y_true), predicted(y_pred);
    add(predicted.size(), weights, [&](int64_t i) { return std::abs(double{predicted[i]} - double{truth[i]}); });
  }
};

struct CrossentropyOptions {
  bool from_logits = false;
  double smoothing = 0;
};

class BinaryCrossentropy : public MeanMetric {
 public:
  BinaryCrossentropy(std::string name, CrossentropyOptions options) : MeanMetric(std::move(name)), options_(options) {}
  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    check_same_size(y_true, y_pred);
    const FloatValues truth(y_true), predicted(y_pred);
    add(predicted.size(), weights, [&](int64_t i) {
      const double t = truth[i] * (1 - options_.smoothing) + 0.5 * options_.smoothing;
      if (options_.from_logits) {
        const double x = predicted[i];
        return std::max(x, 0.0) - x * t + std::log1p(std::exp(-std::abs(x)));
      }
      const double p = std::clamp(predicted[i], kEpsilon, 1 - kEpsilon);
      return -(t * std::log(p) + (1 - t) * std::log1p(-p));
    });
  }

 private:
  CrossentropyOptions options_;
};

class Crossentropy : public MeanMetric {
 public:
  Crossentropy(std::string name, bool sparse, CrossentropyOptions options)
      : MeanMetric(std::move(name)), sparse_(sparse), options_(options) {}
  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    const Rows rows(y_pred);
    const auto n = static_cast<double>(rows.classes);
    std::vector<double> log_p(static_cast<size_t>(rows.classes));
    if (sparse_) {
      const std::vector<int64_t> labels = class_of_rows(y_true, rows, true);
      add(rows.count, weights, [&](int64_t i) {
        const int64_t label = labels[static_cast<size_t>(i)];
        if (label < 0 || label >= rows.classes) {
          throw FileError(fmt::format("metric '{}': label {} is no class, must be from 0 to {}", name(), label, rows.classes - 1));
        }
        fill_log_p(rows.row(i), log_p);
        return -log_p[static_cast<size_t>(label)];
      });
      return;
    }
    const Rows truth(y_true);
    DL_CHECK(truth.count == rows.count && truth.classes == rows.classes, "targets do not fit predictions");
    add(rows.count, weights, [&](int64_t i) {
      fill_log_p(rows.row(i), log_p);
      double sum = 0;
      for (int64_t k = 0; k < rows.classes; ++k) {
        sum -= (truth.row(i)[k] * (1 - options_.smoothing) + options_.smoothing / n) * log_p[static_cast<size_t>(k)];
      }
      return sum;
    });
  }

 private:
  void fill_log_p(const float* row, std::vector<double>& log_p) const {
    const size_t classes = log_p.size();
    double sum = 0;
    if (options_.from_logits) {
      const double top = *std::max_element(row, row + classes);
      for (size_t k = 0; k < classes; ++k) sum += std::exp(row[k] - top);
      for (size_t k = 0; k < classes; ++k) log_p[k] = row[k] - top - std::log(sum);
      return;
    }
    for (size_t k = 0; k < classes; ++k) sum += row[k];
    for (size_t k = 0; k < classes; ++k) log_p[k] = std::log(std::clamp<double>(row[k] / sum, kEpsilon, 1 - kEpsilon));
  }

  bool sparse_;
  CrossentropyOptions options_;
};

CrossentropyOptions crossentropy_options(const Config& config) {
  return {config.flag("from_logits"), config.has("label_smoothing") ? config.real("label_smoothing") : 0};
}

ConfigKey k_key() { return int_key("k", spec::Node::integer(5), 1); }
ConfigKey threshold_key() { return float_key("threshold", 0.5, 0, 1); }
std::vector<ConfigKey> crossentropy_keys(bool smoothing, bool axis) {
  std::vector<ConfigKey> keys = {bool_key("from_logits", false)};
  if (smoothing) keys.push_back(float_key("label_smoothing", 0, 0, 1));
  if (axis) keys.push_back(unsupported_key("axis", spec::Node::integer(-1)));
  return keys;
}

}  // namespace

extern const MetricDef metric_binary_accuracy, metric_categorical_accuracy, metric_sparse_categorical_accuracy,
    metric_top_k_categorical_accuracy, metric_sparse_top_k_categorical_accuracy, metric_mean_squared_error, metric_root_mean_squared_error,
    metric_mean_absolute_error, metric_binary_crossentropy, metric_categorical_crossentropy, metric_sparse_categorical_crossentropy;

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
const MetricDef metric_categorical_accuracy = {
    "categorical_accuracy",
    "CategoricalAccuracy",
    "Share of samples whose likeliest class is the true one; one-hot targets.",
    {},
    {},
    Direction::kUp,
    TargetKind::kOneHot,
    [](const Config&, const std::string& name) -> std::unique_ptr<Metric> { return std::make_unique<ClassAccuracy>(name, false); }};
const MetricDef metric_sparse_categorical_accuracy = {
    "sparse_categorical_accuracy",
    "SparseCategoricalAccuracy",
    "Share of samples whose likeliest class is the true one; targets are class indices.",
    {},
    {},
    Direction::kUp,
    TargetKind::kSparse,
    [](const Config&, const std::string& name) -> std::unique_ptr<Metric> { return std::make_unique<ClassAccuracy>(name, true); }};
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
const MetricDef metric_sparse_top_k_categorical_accuracy = {
    "sparse_top_k_categorical_accuracy",
    "SparseTopKCategoricalAccuracy",
    "Share of samples whose true class is among the k likeliest; targets are class indices.",
    {},
    {k_key(), unsupported_key("from_sorted_ids", spec::Node::boolean(false))},
    Direction::kUp,
    TargetKind::kSparse,
    [](const Config& c, const std::string& name) -> std::unique_ptr<Metric> {
      return std::make_unique<TopKAccuracy>(name, true, c.integer("k"));
    }};
const MetricDef metric_mean_squared_error = {
    "mean_squared_error",
    "MeanSquaredError",
    "Mean of the squared differences.",
    {"mse", "MSE"},
    {},
    Direction::kDown,
    TargetKind::kSame,
    [](const Config&, const std::string& name) -> std::unique_ptr<Metric> { return std::make_unique<SquaredError>(name, false); }};
const MetricDef metric_root_mean_squared_error = {
    "root_mean_squared_error",
    "RootMeanSquaredError",
    "Root of the mean of the squared differences.",
    {},
    {},
    Direction::kDown,
    TargetKind::kSame,
    [](const Config&, const std::string& name) -> std::unique_ptr<Metric> { return std::make_unique<SquaredError>(name, true); }};
const MetricDef metric_mean_absolute_error = {
    "mean_absolute_error",
    "MeanAbsoluteError",
    "Mean of the absolute differences.",
    {"mae", "MAE"},
    {},
    Direction::kDown,
    TargetKind::kSame,
    [](const Config&, const std::string& name) -> std::unique_ptr<Metric> { return std::make_unique<AbsoluteError>(name); }};
const MetricDef metric_binary_crossentropy = {"binary_crossentropy",
                                              "BinaryCrossentropy",
                                              "Crossentropy of independent yes-no predictions.",
                                              {"bce", "BCE"},
                                              crossentropy_keys(true, false),
                                              Direction::kDown,
                                              TargetKind::kSame,
                                              [](const Config& c, const std::string& name) -> std::unique_ptr<Metric> {
                                                return std::make_unique<BinaryCrossentropy>(name, crossentropy_options(c));
                                              }};
const MetricDef metric_categorical_crossentropy = {"categorical_crossentropy",
                                                   "CategoricalCrossentropy",
                                                   "Crossentropy over classes; one-hot targets.",
                                                   {},
                                                   crossentropy_keys(true, true),
                                                   Direction::kDown,
                                                   TargetKind::kOneHot,
                                                   [](const Config& c, const std::string& name) -> std::unique_ptr<Metric> {
                                                     return std::make_unique<Crossentropy>(name, false, crossentropy_options(c));
                                                   }};
const MetricDef metric_sparse_categorical_crossentropy = {"sparse_categorical_crossentropy",
                                                          "SparseCategoricalCrossentropy",
                                                          "Crossentropy over classes; targets are class indices.",
                                                          {},
                                                          crossentropy_keys(false, true),
                                                          Direction::kDown,
                                                          TargetKind::kSparse,
                                                          [](const Config& c, const std::string& name) -> std::unique_ptr<Metric> {
                                                            return std::make_unique<Crossentropy>(name, true, crossentropy_options(c));
                                                          }};

}  // namespace dl
