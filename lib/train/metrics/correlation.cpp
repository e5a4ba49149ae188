#include <cmath>

#include "train/metrics/values.h"

namespace dl {
namespace {

constexpr double kEpsilon = 1e-7;  // Keras's fuzz factor

// Along the last axis, or another.
class Correlation : public MeanMetric {
 public:
  Correlation(std::string name, bool concordance, int64_t axis) : MeanMetric(std::move(name)), concordance_(concordance), axis_(axis) {}

  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    check_same_size(y_true, y_pred);
    const FloatValues truth(y_true), predicted(y_pred);
    const Dims& dims = y_pred.dims();
    const auto axis = static_cast<size_t>(axis_ < 0 ? axis_ + y_pred.rank() : axis_);
    int64_t inner = 1, outer = 1;
    for (size_t i = 0; i < dims.size(); ++i) (i < axis ? outer : i > axis ? inner : outer) *= i == axis ? 1 : dims[i];
    const int64_t n = dims.at(axis);
    add(outer * inner, weights, [&](int64_t k) {
      const int64_t start = k / inner * n * inner + k % inner;
      return value(truth, predicted, start, inner, n);
    });
  }

 private:
  double value(const FloatValues& truth, const FloatValues& predicted, int64_t start, int64_t stride, int64_t n) const {
    const auto count = static_cast<double>(n);
    double t_mean = 0, p_mean = 0, t_var = 0, p_var = 0, product = 0;
    for (int64_t i = 0; i < n; ++i) t_mean += truth[start + i * stride] / count, p_mean += predicted[start + i * stride] / count;
    for (int64_t i = 0; i < n; ++i) {
      const double t = truth[start + i * stride] - t_mean, p = predicted[start + i * stride] - p_mean;
      t_var += t * t / count, p_var += p * p / count, product += t * p / count;
    }
    if (!concordance_) return product / (std::sqrt(t_var) * std::sqrt(p_var));
    return 2 * product / (t_var + p_var + (t_mean - p_mean) * (t_mean - p_mean) + kEpsilon);
  }

  bool concordance_;
  int64_t axis_;
};

ConfigKey axis_key() { return int_key("axis", spec::Node::integer(-1), -64); }

template <bool concordance>
std::unique_ptr<Metric> make(const Config& config, const std::string& name) {
  return std::make_unique<Correlation>(name, concordance, config.integer("axis"));
}

}  // namespace

extern const MetricDef metric_pearson_correlation, metric_concordance_correlation;
const MetricDef metric_pearson_correlation = {.name = "pearson_correlation",
                                              .class_name = "PearsonCorrelation",
                                              .summary = "Mean correlation of target and prediction along an axis.",
                                              .keys = {axis_key()},
                                              .direction = Direction::kUp,
                                              .target = TargetKind::kNumber,
                                              .make = make<false>};
const MetricDef metric_concordance_correlation = {.name = "concordance_correlation",
                                                  .class_name = "ConcordanceCorrelation",
                                                  .summary = "The same, lowered by differences of mean and variance.",
                                                  .keys = {axis_key()},
                                                  .direction = Direction::kUp,
                                                  .target = TargetKind::kNumber,
                                                  .make = make<true>};

}  // namespace dl
