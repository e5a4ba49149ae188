// Crossentropies, summed in double; those with keys that change the axis or leave out a class are losses (losses.cpp).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "train/metrics/loss_metric.h"
#include "train/metrics/values.h"

namespace dl {
namespace {

constexpr float kEpsilon = 1e-7f;  // Keras's fuzz factor

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

std::vector<ConfigKey> crossentropy_keys(bool smoothing, bool axis) {
  std::vector<ConfigKey> keys = {bool_key("from_logits", false)};
  if (smoothing) keys.push_back(float_key("label_smoothing", 0, 0, 1));
  if (axis) keys.push_back(int_key("axis", spec::Node::integer(-1), -64));
  if (!smoothing) keys.push_back({.name = "ignore_class", .kind = KeyKind::kInt});
  return keys;
}

// The plain case has a loop of its own.
bool is_plain(const Config& c) { return c.integer("axis") == -1 && (!c.has("ignore_class") || !c.given("ignore_class")); }

}  // namespace

extern const MetricDef metric_binary_crossentropy;
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
extern const MetricDef metric_categorical_crossentropy;
const MetricDef metric_categorical_crossentropy = {"categorical_crossentropy",
                                                   "CategoricalCrossentropy",
                                                   "Crossentropy over classes; one-hot targets.",
                                                   {},
                                                   crossentropy_keys(true, true),
                                                   Direction::kDown,
                                                   TargetKind::kOneHot,
                                                   [](const Config& c, const std::string& name) -> std::unique_ptr<Metric> {
                                                     if (!is_plain(c)) return make_loss_metric("categorical_crossentropy", c, name);
                                                     return std::make_unique<Crossentropy>(name, false, crossentropy_options(c));
                                                   }};
extern const MetricDef metric_sparse_categorical_crossentropy;
const MetricDef metric_sparse_categorical_crossentropy = {"sparse_categorical_crossentropy",
                                                          "SparseCategoricalCrossentropy",
                                                          "Crossentropy over classes; targets are class indices.",
                                                          {},
                                                          crossentropy_keys(false, true),
                                                          Direction::kDown,
                                                          TargetKind::kSparse,
                                                          [](const Config& c, const std::string& name) -> std::unique_ptr<Metric> {
                                                            if (!is_plain(c))
                                                              return make_loss_metric("sparse_categorical_crossentropy", c, name);
                                                            return std::make_unique<Crossentropy>(name, true, crossentropy_options(c));
                                                          }};

}  // namespace dl
