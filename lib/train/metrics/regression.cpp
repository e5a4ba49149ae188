// Errors of numbers that are hot enough for loops of their own, and R2. The others are losses (losses.cpp).
#include <cmath>

#include "base/error.h"
#include "train/metrics/values.h"

namespace dl {
namespace {

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
  bool takes_mask() const override { return !root_; }

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

// Coefficient of determination. State for each output: sum of targets, of their squares, of squared errors, of weights; and last the
// number of values.
class R2 : public Metric {
 public:
  R2(std::string name, const Config& config, int64_t outputs)
      : Metric(std::move(name), static_cast<size_t>(4 * outputs + 1)),
        outputs_(static_cast<size_t>(outputs)),
        aggregation_(config.given("class_aggregation") ? config.text("class_aggregation") : ""),
        regressors_(static_cast<double>(config.integer("num_regressors"))) {}

  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    check_same_size(y_true, y_pred);
    const FloatValues truth(y_true), predicted(y_pred);
    const WeightOf weight(weights, predicted.size());
    for (int64_t i = 0; i < predicted.size(); ++i) {
      double* sums = state_.data() + 4 * (static_cast<size_t>(i) % outputs_);
      const double w = weight[i], t = truth[i], error = t - predicted[i];
      sums[0] += w * t;
      sums[1] += w * t * t;
      sums[2] += w * error * error;
      sums[3] += w;
    }
    state_.back() += static_cast<double>(predicted.size());
  }

  std::vector<double> results() const override {
    std::vector<double> scores;
    double weighted = 0, total = 0, sum = 0;
    for (size_t k = 0; k < outputs_; ++k) {
      const double* s = state_.data() + 4 * k;
      if (s[3] == 0) {  // nothing seen
        scores.push_back(0);
        continue;
      }
      const double variance = s[1] - s[0] * (s[0] / s[3]);
      double score = 1 - s[2] / variance;
      if (std::isinf(score)) score = 0;
      scores.push_back(score);
      weighted += variance * score;
      total += variance;
      sum += score;
    }
    if (state_.back() == 0) return std::vector<double>(aggregation_.empty() ? outputs_ : 1, 0.0);
    if (aggregation_ == "uniform_average") scores = {sum / static_cast<double>(outputs_)};
    if (aggregation_ == "variance_weighted_average") scores = {weighted / total};
    // Keras falls back on the plain score where there are not more samples than regressors.
    const double n = state_.back();
    if (regressors_ > 0 && regressors_ < n - 1)
      for (double& score : scores) score = 1 - (1 - score) * (n - 1) / (n - regressors_ - 1);
    return scores;
  }
  double result() const override { return results()[0]; }

 private:
  size_t outputs_;
  std::string aggregation_;
  double regressors_;
};

}  // namespace

extern const MetricDef metric_mean_squared_error;
const MetricDef metric_mean_squared_error = {
    "mean_squared_error",
    "MeanSquaredError",
    "Mean of the squared differences.",
    {"mse", "MSE"},
    {},
    Direction::kDown,
    TargetKind::kNumber,
    [](const Config&, const std::string& name) -> std::unique_ptr<Metric> { return std::make_unique<SquaredError>(name, false); }};
extern const MetricDef metric_root_mean_squared_error;
const MetricDef metric_root_mean_squared_error = {
    "root_mean_squared_error",
    "RootMeanSquaredError",
    "Root of the mean of the squared differences.",
    {},
    {},
    Direction::kDown,
    TargetKind::kNumber,
    [](const Config&, const std::string& name) -> std::unique_ptr<Metric> { return std::make_unique<SquaredError>(name, true); }};
extern const MetricDef metric_mean_absolute_error;
const MetricDef metric_mean_absolute_error = {
    "mean_absolute_error",
    "MeanAbsoluteError",
    "Mean of the absolute differences.",
    {"mae", "MAE"},
    {},
    Direction::kDown,
    TargetKind::kNumber,
    [](const Config&, const std::string& name) -> std::unique_ptr<Metric> { return std::make_unique<AbsoluteError>(name); }};
extern const MetricDef metric_r2_score;
const MetricDef metric_r2_score = {
    .name = "r2_score",
    .class_name = "R2Score",
    .summary = "Share of the targets' variance that the predictions explain; class_aggregation null: of each output.",
    .keys = {{.name = "class_aggregation",
              .kind = KeyKind::kChoice,
              .fallback = spec::Node::string("uniform_average"),
              .nullable = true,
              .choices = {"uniform_average", "variance_weighted_average"}},
             int_key("num_regressors", spec::Node::integer(0), 0)},
    .direction = Direction::kUp,
    .target = TargetKind::kNumber,
    .make_for = [](const Config& c, const std::string& name, const MetricTypes& types) -> std::unique_ptr<Metric> {
      return std::make_unique<R2>(name, c, matrix_columns(types, name));
    }};

}  // namespace dl
