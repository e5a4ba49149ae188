// The metrics made of counts of true and false positives and negatives at thresholds.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "train/metrics/thresholds.h"

namespace dl {
namespace {

// ---- at the thresholds that are given

ThresholdOptions given_thresholds(const Config& config) {
  ThresholdOptions options;
  const bool top_k = config.has("top_k") && config.given("top_k");
  options.thresholds = config.given("thresholds") ? config.reals("thresholds") : std::vector<double>{top_k ? -1e10 : 0.5};
  options.even = is_even(options.thresholds);
  if (top_k) options.top_k = config.integer("top_k");
  if (config.has("class_id") && config.given("class_id")) options.class_id = config.integer("class_id");
  return options;
}

enum class Part { kTp, kFp, kTn, kFn, kPrecision, kRecall };

class PartAtThresholds : public ThresholdMetric {
 public:
  PartAtThresholds(std::string name, Part part, const Config& config)
      : ThresholdMetric(std::move(name), given_thresholds(config)), part_(part) {}
  std::vector<double> results() const override {
    std::vector<double> all;
    for (size_t i = 0; i < thresholds(); ++i) all.push_back(value(at(i)));
    return all;
  }
  double result() const override { return value(at(0)); }

 private:
  double value(const Counts& c) const {
    switch (part_) {
      case Part::kTp:
        return c.tp;
      case Part::kFp:
        return c.fp;
      case Part::kTn:
        return c.tn;
      case Part::kFn:
        return c.fn;
      case Part::kPrecision:
        return divide_no_nan(c.tp, c.tp + c.fp);
      case Part::kRecall:
        break;
    }
    return divide_no_nan(c.tp, c.tp + c.fn);
  }
  Part part_;
};

// ---- the best of one rate where another is good enough

enum class Rate { kPrecision, kRecall, kSpecificity };

class RateAtRate : public ThresholdMetric {
 public:
  RateAtRate(std::string name, Rate wanted, Rate bound, const char* key, const Config& config)
      : ThresholdMetric(std::move(name), options_of(config)), wanted_(wanted), bound_(bound), value_(config.real(key)) {}
  double result() const override {
    double best = 0;
    for (size_t i = 0; i < thresholds(); ++i)
      if (static_cast<float>(rate(bound_, at(i))) >= static_cast<float>(value_)) best = std::max(best, rate(wanted_, at(i)));
    return best;
  }

 private:
  static ThresholdOptions options_of(const Config& config) {
    ThresholdOptions options = even_thresholds(config.integer("num_thresholds"));
    if (config.given("class_id")) options.class_id = config.integer("class_id");
    return options;
  }
  static double rate(Rate rate, const Counts& c) {
    switch (rate) {
      case Rate::kPrecision:
        return divide_no_nan(c.tp, c.tp + c.fp);
      case Rate::kRecall:
        return divide_no_nan(c.tp, c.tp + c.fn);
      case Rate::kSpecificity:
        break;
    }
    return divide_no_nan(c.tn, c.tn + c.fp);
  }
  Rate wanted_, bound_;
  double value_;
};

// ---- the area under a curve

enum class Curve { kRoc, kPr, kGain };
enum class Summation { kInterpolation, kMajoring, kMinoring };

class Auc : public ThresholdMetric {
 public:
  Auc(std::string name, const Config& config, int64_t labels)
      : ThresholdMetric(std::move(name), options_of(config, labels)), all_labels_(config.flag("multi_label") ? labels : 1) {
    const std::string curve = config.text("curve"), method = config.text("summation_method");
    curve_ = curve == "ROC" || curve == "roc" ? Curve::kRoc : curve == "PR" || curve == "pr" ? Curve::kPr : Curve::kGain;
    summation_ = method == "majoring" || method == "Majoring"   ? Summation::kMajoring
                 : method == "minoring" || method == "Minoring" ? Summation::kMinoring
                                                                : Summation::kInterpolation;
  }

  double result() const override {
    const std::vector<double>& weights = options().label_weights;
    double sum = 0, total = 0;
    for (int64_t label = 0; label < all_labels_; ++label) {
      const double weight = all_labels_ > 1 && !weights.empty() ? weights[static_cast<size_t>(label)] : 1;
      const bool interpolated = curve_ == Curve::kPr && summation_ == Summation::kInterpolation;
      sum += weight * (interpolated ? interpolate(label) : riemann(label));
      total += weight;
    }
    return divide_no_nan(sum, total);
  }

 private:
  static ThresholdOptions options_of(const Config& config, int64_t labels) {
    constexpr double kEnd = 1e-7;
    ThresholdOptions options;
    if (config.given("thresholds")) {
      std::vector<double> given = config.reals("thresholds");
      std::sort(given.begin(), given.end());
      given.insert(given.begin(), 0.0);
      given.push_back(1.0);
      options.thresholds = given;
      options.even = is_even(given);
    } else {
      options = even_thresholds(config.integer("num_thresholds"));
    }
    options.thresholds.front() = -kEnd;
    options.thresholds.back() = 1 + kEnd;
    options.with_ends = true;
    options.labels = config.flag("multi_label") ? labels : 1;
    options.from_logits = config.flag("from_logits");
    if (config.given("label_weights")) options.label_weights = config.reals("label_weights");
    return options;
  }

  struct Point {
    double x, y;
  };
  Point point(size_t i, int64_t label) const {
    const Counts c = at(i, label);
    const double recall = divide_no_nan(c.tp, c.tp + c.fn);
    if (curve_ == Curve::kRoc) return {divide_no_nan(c.fp, c.fp + c.tn), recall};
    if (curve_ == Curve::kPr) return {recall, divide_no_nan(c.tp, c.tp + c.fp)};
    // Flach & Kull (2015); without true positives the gain of precision is 1 and that of recall 0.
    if (c.tp == 0) return {0, 1};
    const double scale = divide_no_nan(c.tp + c.fn, c.tn + c.fp);
    return {std::max(1 - scale * c.fn / c.tp, 0.0), 1 - scale * c.fp / c.tp};
  }

  double riemann(int64_t label) const {
    double area = 0;
    Point a = point(0, label);
    for (size_t i = 0; i + 1 < thresholds(); ++i) {
      const Point b = point(i + 1, label);
      const double height = summation_ == Summation::kInterpolation ? (a.y + b.y) / 2
                            : summation_ == Summation::kMinoring    ? std::min(a.y, b.y)
                                                                    : std::max(a.y, b.y);
      area += (a.x - b.x) * height;
      a = b;
    }
    return area;
  }

  // Davis & Goadrich (2006): precision is not linear between two points, the counts are.
  double interpolate(int64_t label) const {
    double area = 0;
    for (size_t i = 0; i + 1 < thresholds(); ++i) {
      const Counts now = at(i, label), next = at(i + 1, label);
      const double p = now.tp + now.fp, next_p = next.tp + next.fp, dtp = now.tp - next.tp;
      const double slope = divide_no_nan(dtp, std::max(p - next_p, 0.0)), intercept = next.tp - slope * next_p;
      const double ratio = p > 0 && next_p > 0 ? p / next_p : 1;
      area += divide_no_nan(slope * (dtp + intercept * std::log(ratio)), std::max(next.tp + next.fn, 0.0));
    }
    return area;
  }

  int64_t all_labels_;
  Curve curve_ = Curve::kRoc;
  Summation summation_ = Summation::kInterpolation;
};

std::unique_ptr<Metric> make_auc(const Config& config, const std::string& name, const MetricTypes& types) {
  const int64_t labels = config.flag("multi_label") ? matrix_columns(types, name) : 1;
  const auto fail = [&](const std::string& what) { throw UserError(fmt::format("metric '{}': {}", name, what)); };
  if (config.given("num_labels") && config.integer("num_labels") != labels)
    fail(fmt::format("num_labels is {}, the output has {}", config.integer("num_labels"), labels));
  if (config.given("label_weights")) {
    const Shape& shape = types.y_pred.shape;
    const int64_t columns = shape.size() > 1 && shape.back().known() ? shape.back().value() : 1;
    if (static_cast<int64_t>(config.reals("label_weights").size()) != columns)
      fail(fmt::format("label_weights has {} numbers, the output has {} labels", config.reals("label_weights").size(), columns));
  }
  return std::make_unique<Auc>(name, config, labels);
}

// ---- rows

ConfigKey optional(ConfigKey key) {
  key.fallback = {};
  key.required = false;
  return key;
}

void check_thresholds(const Config& config, spec::Reader& reader) {
  if (config.given("thresholds"))
    for (const double t : config.reals("thresholds"))
      if (t < 0 || t > 1) return reader.report("thresholds", fmt::format("holds {}, must hold numbers from 0 to 1", t));
  if (config.given("thresholds") && config.reals("thresholds").empty()) reader.report("thresholds", "is empty");
  if (config.has("num_labels") && config.given("num_labels") && !config.flag("multi_label"))
    reader.report("num_labels", "goes with multi_label: true");
}

std::vector<ConfigKey> precision_keys() {
  return {floats_key("thresholds"), optional(int_key("top_k", 1)), optional(int_key("class_id", 0))};
}

std::vector<ConfigKey> rate_keys(const char* key) {
  ConfigKey value = float_key(key, 0, 0, 1);
  value.required = true;
  return {value, int_key("num_thresholds", spec::Node::integer(200), 1), optional(int_key("class_id", 0))};
}

template <Part part>
std::unique_ptr<Metric> make_part(const Config& config, const std::string& name) {
  return std::make_unique<PartAtThresholds>(name, part, config);
}

}  // namespace

extern const MetricDef metric_auc, metric_precision, metric_recall, metric_true_positives, metric_false_positives, metric_true_negatives,
    metric_false_negatives, metric_precision_at_recall, metric_recall_at_precision, metric_sensitivity_at_specificity,
    metric_specificity_at_sensitivity;

const MetricDef metric_auc = {
    .name = "auc",
    .class_name = "AUC",
    .summary = "Area under the ROC, precision-recall or precision-recall-gain curve, by thresholds.",
    .keys = {int_key("num_thresholds", spec::Node::integer(200), 2),
             choice_key("curve", {"ROC", "PR", "PRGAIN", "roc", "pr", "prgain"}, "ROC"),
             choice_key("summation_method", {"interpolation", "majoring", "minoring", "Interpolation", "Majoring", "Minoring"},
                        "interpolation"),
             floats_key("thresholds"), bool_key("multi_label", false), optional(int_key("num_labels", 1)), floats_key("label_weights"),
             bool_key("from_logits", false)},
    .direction = Direction::kUp,
    .make_for = make_auc,
    .check = check_thresholds};
const MetricDef metric_precision = {.name = "precision",
                                    .class_name = "Precision",
                                    .summary = "Share of the predicted positives that are positive.",
                                    .keys = precision_keys(),
                                    .direction = Direction::kUp,
                                    .make = make_part<Part::kPrecision>,
                                    .check = check_thresholds};
const MetricDef metric_recall = {.name = "recall",
                                 .class_name = "Recall",
                                 .summary = "Share of the positives that are predicted as such.",
                                 .keys = precision_keys(),
                                 .direction = Direction::kUp,
                                 .make = make_part<Part::kRecall>,
                                 .check = check_thresholds};
#define DL_COUNT_METRIC(id, class_name_, summary_, part, direction_) \
  const MetricDef metric_##id = {.name = #id,                        \
                                 .class_name = class_name_,          \
                                 .summary = summary_,                \
                                 .keys = {floats_key("thresholds")}, \
                                 .direction = direction_,            \
                                 .make = make_part<part>,            \
                                 .check = check_thresholds};
DL_COUNT_METRIC(true_positives, "TruePositives", "Number of positives predicted as such.", Part::kTp, Direction::kUp)
DL_COUNT_METRIC(false_positives, "FalsePositives", "Number of negatives predicted as positive.", Part::kFp, Direction::kDown)
DL_COUNT_METRIC(true_negatives, "TrueNegatives", "Number of negatives predicted as such.", Part::kTn, Direction::kUp)
DL_COUNT_METRIC(false_negatives, "FalseNegatives", "Number of positives predicted as negative.", Part::kFn, Direction::kDown)
#undef DL_COUNT_METRIC

#define DL_RATE_METRIC(id, class_name_, wanted, bound, key)                                                             \
  const MetricDef metric_##id = {.name = #id,                                                                           \
                                 .class_name = class_name_,                                                             \
                                 .summary = "The best over all thresholds where the other rate is at least " key ".",   \
                                 .keys = rate_keys(key),                                                                \
                                 .direction = Direction::kUp,                                                           \
                                 .make = [](const Config& config, const std::string& name) -> std::unique_ptr<Metric> { \
                                   return std::make_unique<RateAtRate>(name, wanted, bound, key, config);               \
                                 }};
DL_RATE_METRIC(precision_at_recall, "PrecisionAtRecall", Rate::kPrecision, Rate::kRecall, "recall")
DL_RATE_METRIC(recall_at_precision, "RecallAtPrecision", Rate::kRecall, Rate::kPrecision, "precision")
DL_RATE_METRIC(sensitivity_at_specificity, "SensitivityAtSpecificity", Rate::kRecall, Rate::kSpecificity, "specificity")
DL_RATE_METRIC(specificity_at_sensitivity, "SpecificityAtSensitivity", Rate::kSpecificity, Rate::kRecall, "sensitivity")
#undef DL_RATE_METRIC

}  // namespace dl
