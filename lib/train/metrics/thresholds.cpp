#include "train/metrics/thresholds.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"

namespace dl {

double divide_no_nan(double a, double b) { return b == 0 ? 0 : a / b; }

bool is_even(std::span<const double> thresholds) {
  if (thresholds.size() < 3) return false;
  for (size_t i = 0; i < thresholds.size(); ++i) {
    const double even = static_cast<double>(i) / static_cast<double>(thresholds.size() - 1);
    if (std::abs(thresholds[i] - even) > 1e-7 + 1e-5 * even) return false;
  }
  return true;
}

ThresholdOptions even_thresholds(int64_t count) {
  ThresholdOptions options;
  if (count == 1) {
    options.thresholds = {0.5};
    return options;
  }
  for (int64_t i = 0; i < count; ++i) options.thresholds.push_back(static_cast<double>(i) / static_cast<double>(count - 1));
  options.even = true;
  return options;
}

ThresholdMetric::ThresholdMetric(std::string name, ThresholdOptions options)
    : Metric(std::move(name), static_cast<size_t>(options.labels) * (2 * options.thresholds.size() + 2)), options_(std::move(options)) {
  for (const double threshold : options_.thresholds) edges_.push_back(static_cast<float>(threshold));
}

ThresholdMetric::Counts ThresholdMetric::at(size_t threshold, int64_t label) const {
  const size_t n = thresholds();
  const double* state = state_.data() + static_cast<size_t>(label) * (2 * n + 2);
  const double tp = state[threshold], fp = state[n + threshold];
  return {tp, fp, state[2 * n + 1] - fp, state[2 * n] - tp};
}

void ThresholdMetric::count(double* state, bool positive, float p, double weight) const {
  const size_t n = thresholds();
  state[2 * n + (positive ? 0 : 1)] += weight;
  double* counts = state + (positive ? 0 : n);
  if (!options_.even) {
    for (size_t i = 0; i < n; ++i)
      if (p > edges_[i]) counts[i] += weight;
    return;
  }
  // In float32, as in Keras: it decides at the edges. Written so that NaN lands in the lowest bucket.
  p = p > 0 ? std::min(p, 1.0f) : 0.0f;
  float bucket = std::ceil(p * static_cast<float>(n - 1)) - 1;
  if (options_.with_ends) bucket = std::max(bucket, 0.0f);
  for (int64_t i = static_cast<int64_t>(bucket); i >= 0; --i) counts[i] += weight;
}

void ThresholdMetric::update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) {
  check_same_size(y_true, y_pred);
  const FloatValues truth(y_true);
  const Rows rows(y_pred);
  const WeightOf weight(weights, rows.values.size());
  const int64_t columns = std::max<int64_t>(rows.classes, 1);
  const auto stride = 2 * thresholds() + 2;
  if (options_.class_id && *options_.class_id >= columns)
    throw UserError(fmt::format("metric '{}': class_id is {}, must be from 0 to {}", name(), *options_.class_id, columns - 1));
  std::vector<int64_t> order(static_cast<size_t>(columns));
  std::vector<char> kept(static_cast<size_t>(columns), 1);
  for (int64_t r = 0; r < rows.count; ++r) {
    if (options_.top_k) {
      // The first of equals, as Keras's top_k.
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return rows.row(r)[a] > rows.row(r)[b]; });
      std::fill(kept.begin(), kept.end(), char{0});
      for (int64_t k = 0; k < std::min(*options_.top_k, columns); ++k) kept[static_cast<size_t>(order[static_cast<size_t>(k)])] = 1;
    }
    for (int64_t c = options_.class_id.value_or(0); c < columns; c += options_.class_id ? columns : 1) {
      const int64_t i = r * columns + c;
      double w = weight[i];
      if (!options_.label_weights.empty() && options_.labels == 1)
        w *= options_.label_weights[static_cast<size_t>(c) % options_.label_weights.size()];
      if (w == 0) continue;
      float p = kept[static_cast<size_t>(c)] ? rows.values[i] : -1e10f;
      if (options_.from_logits) p = 1 / (1 + std::exp(-p));
      count(state_.data() + (options_.labels > 1 ? static_cast<size_t>(c) * stride : 0), truth[i] != 0, p, w);
    }
  }
}

}  // namespace dl
