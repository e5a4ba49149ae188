// The metrics made of counts of true and false positives and negatives at thresholds: AUC, Precision, Recall.
// As in Keras, a value counts as predicted positive above the threshold, and as positive in truth unless it is 0.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "train/metric_values.h"

namespace dl {
namespace {

double divide_no_nan(double a, double b) { return b == 0 ? 0 : a / b; }

// Visits (is positive, prediction, weight) of every value, or of one class only.
template <class Visit>
void for_each_value(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights, std::optional<int64_t> class_id,
                    const Visit& visit) {
  check_same_size(y_true, y_pred);
  const FloatValues truth(y_true), predicted(y_pred);
  const WeightOf weight(weights, predicted.size());
  int64_t first = 0, stride = 1;
  if (class_id) {
    stride = y_pred.dims().empty() ? 1 : y_pred.dims().back();
    first = *class_id;
    DL_CHECK(first < stride, fmt::format("class_id {} of {} classes", first, stride));
  }
  for (int64_t i = first; i < predicted.size(); i += stride) {
    if (weight[i] != 0) visit(truth[i] != 0, predicted[i], double{weight[i]});
  }
}

// Precision (true over predicted positives) or Recall (true over all positives); state: hits, misses of that kind.
class PrecisionOrRecall : public Metric {
 public:
  PrecisionOrRecall(std::string name, bool precision, const Config& config)
      : Metric(std::move(name), 2),
        precision_(precision),
        threshold_(config.given("thresholds") ? static_cast<float>(config.real("thresholds")) : 0.5f) {
    if (config.given("class_id")) class_id_ = config.integer("class_id");
  }
  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    for_each_value(y_true, y_pred, weights, class_id_, [&](bool positive, float p, double weight) {
      const bool predicted = p > threshold_;
      if (positive && predicted) {
        state_[0] += weight;
      } else if (precision_ ? predicted : positive) {
        state_[1] += weight;
      }
    });
  }
  double result() const override { return divide_no_nan(state_[0], state_[0] + state_[1]); }

 private:
  bool precision_;
  float threshold_;
  std::optional<int64_t> class_id_;
};

enum class Curve { kRoc, kPr };
enum class Summation { kInterpolation, kMajoring, kMinoring };

// Area under the curve by evenly spaced thresholds. State: per bucket between two thresholds the weight of positives, then of negatives.
class Auc : public Metric {
 public:
  Auc(std::string name, const Config& config)
      : Metric(std::move(name), static_cast<size_t>(2 * config.integer("num_thresholds"))),
        buckets_(static_cast<size_t>(config.integer("num_thresholds"))),
        curve_(config.text("curve") == "ROC" || config.text("curve") == "roc" ? Curve::kRoc : Curve::kPr),
        from_logits_(config.flag("from_logits")) {
    const std::string method = config.text("summation_method");
    summation_ = method == "majoring" ? Summation::kMajoring : method == "minoring" ? Summation::kMinoring : Summation::kInterpolation;
  }

  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    const float last = static_cast<float>(buckets_ - 1);
    for_each_value(y_true, y_pred, weights, std::nullopt, [&](bool positive, float p, double weight) {
      if (from_logits_) p = 1 / (1 + std::exp(-p));
      // Written so that NaN lands in the lowest bucket. In float32, as in Keras: it decides at the edges.
      p = p > 0 ? std::min(p, 1.0f) : 0.0f;
      const float bucket = std::max(0.0f, std::ceil(p * last) - 1);
      state_[static_cast<size_t>(bucket) + (positive ? 0 : buckets_)] += weight;
    });
  }

  double result() const override {
    const size_t n = buckets_;
    // At threshold i everything in bucket i and above is predicted positive.
    std::vector<double> tp(n), fp(n);
    double positives = 0, negatives = 0;
    for (size_t i = n; i-- > 0;) {
      tp[i] = positives += state_[i];
      fp[i] = negatives += state_[n + i];
    }
    return curve_ == Curve::kPr && summation_ == Summation::kInterpolation ? interpolate_pr(tp, fp, positives)
                                                                           : riemann(tp, fp, positives, negatives);
  }

 private:
  double riemann(const std::vector<double>& tp, const std::vector<double>& fp, double positives, double negatives) const {
    const auto recall = [&](size_t i) { return divide_no_nan(tp[i], positives); };
    const auto x = [&](size_t i) { return curve_ == Curve::kRoc ? divide_no_nan(fp[i], negatives) : recall(i); };
    const auto y = [&](size_t i) { return curve_ == Curve::kRoc ? recall(i) : divide_no_nan(tp[i], tp[i] + fp[i]); };
    double area = 0;
    for (size_t i = 0; i + 1 < buckets_; ++i) {
      const double height = summation_ == Summation::kInterpolation ? (y(i) + y(i + 1)) / 2
                            : summation_ == Summation::kMinoring    ? std::min(y(i), y(i + 1))
                                                                    : std::max(y(i), y(i + 1));
      area += (x(i) - x(i + 1)) * height;
    }
    return area;
  }

  // Davis & Goadrich (2006): precision is not linear between two points, the counts are.
  double interpolate_pr(const std::vector<double>& tp, const std::vector<double>& fp, double positives) const {
    double area = 0;
    for (size_t i = 0; i + 1 < buckets_; ++i) {
      const double p = tp[i] + fp[i], next_p = tp[i + 1] + fp[i + 1], dtp = tp[i] - tp[i + 1];
      const double slope = divide_no_nan(dtp, std::max(p - next_p, 0.0)), intercept = tp[i + 1] - slope * next_p;
      const double ratio = p > 0 && next_p > 0 ? p / next_p : 1;
      area += divide_no_nan(slope * (dtp + intercept * std::log(ratio)), positives);
    }
    return area;
  }

  size_t buckets_;
  Curve curve_;
  Summation summation_ = Summation::kInterpolation;
  bool from_logits_;
};

ConfigKey optional(ConfigKey key) {
  key.fallback = {};
  key.required = false;
  return key;
}

std::vector<ConfigKey> precision_keys() {
  return {optional(float_key("thresholds", 0.5, 0, 1)), unsupported_key("top_k"), optional(int_key("class_id", 0))};
}

}  // namespace

extern const MetricDef metric_auc, metric_precision, metric_recall;

const MetricDef metric_auc = {
    "auc",
    "AUC",
    "Area under the ROC or precision-recall curve, by num_thresholds evenly spaced thresholds.",
    {},
    {int_key("num_thresholds", spec::Node::integer(200), 2), choice_key("curve", {"ROC", "PR", "roc", "pr"}, "ROC"),
     choice_key("summation_method", {"interpolation", "majoring", "minoring"}, "interpolation"), bool_key("from_logits", false),
     unsupported_key("thresholds"), unsupported_key("multi_label", spec::Node::boolean(false)), unsupported_key("num_labels"),
     unsupported_key("label_weights")},
    Direction::kUp,
    TargetKind::kSame,
    [](const Config& c, const std::string& name) -> std::unique_ptr<Metric> { return std::make_unique<Auc>(name, c); }};
const MetricDef metric_precision = {
    "precision",
    "Precision",
    "Share of the predicted positives that are positive.",
    {},
    precision_keys(),
    Direction::kUp,
    TargetKind::kSame,
    [](const Config& c, const std::string& name) -> std::unique_ptr<Metric> { return std::make_unique<PrecisionOrRecall>(name, true, c); }};
const MetricDef metric_recall = {"recall",
                                 "Recall",
                                 "Share of the positives that are predicted as such.",
                                 {},
                                 precision_keys(),
                                 Direction::kUp,
                                 TargetKind::kSame,
                                 [](const Config& c, const std::string& name) -> std::unique_ptr<Metric> {
                                   return std::make_unique<PrecisionOrRecall>(name, false, c);
                                 }};

}  // namespace dl
