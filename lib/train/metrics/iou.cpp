// Intersection over union of classes, from a matrix of true and predicted ones.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "train/metrics/values.h"

namespace dl {
namespace {

struct IouOptions {
  int64_t classes = 2;
  std::vector<int64_t> targets;  // the classes that count
  std::optional<int64_t> ignored;
  bool sparse_true = true, sparse_pred = true;
  int64_t axis = -1;
  std::optional<float> threshold;  // of one prediction for each value
};

// State: rows of the true, columns of the predicted class.
class Iou : public Metric {
 public:
  Iou(std::string name, IouOptions options)
      : Metric(std::move(name), static_cast<size_t>(options.classes * options.classes)), options_(std::move(options)) {}

  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    const std::vector<int64_t> truth = classes_of(y_true, options_.sparse_true, {}),
                               predicted = classes_of(y_pred, options_.sparse_pred, options_.threshold);
    if (truth.size() != predicted.size())
      throw UserError(fmt::format("metric '{}': {} true classes for {} predicted ones; see sparse_y_true and sparse_y_pred", name(),
                                  truth.size(), predicted.size()));
    const WeightOf weight(weights, static_cast<int64_t>(truth.size()));
    for (size_t i = 0; i < truth.size(); ++i) {
      const int64_t t = truth[i], p = predicted[i];
      if (t < 0 || t >= options_.classes || p < 0 || p >= options_.classes || t == options_.ignored) continue;
      // Keras counts in integers.
      state_[static_cast<size_t>(t * options_.classes + p)] += std::trunc(weight[static_cast<int64_t>(i)]);
    }
  }

  double result() const override {
    constexpr float kEpsilon = 1e-7f;
    const auto n = static_cast<size_t>(options_.classes);
    float sum = 0, valid = 0;
    for (const int64_t target : options_.targets) {
      const auto k = static_cast<size_t>(target);
      double row = 0, column = 0;
      for (size_t i = 0; i < n; ++i) row += state_[k * n + i], column += state_[i * n + k];
      const double hits = state_[k * n + k], all = row + column - hits;
      if (all <= 1e-9) continue;
      valid += 1;
      sum += static_cast<float>(hits) / (static_cast<float>(all) + kEpsilon);
    }
    return sum / (valid + kEpsilon);
  }

 private:
  std::vector<int64_t> classes_of(const Tensor& given, bool sparse, std::optional<float> threshold) const {
    std::vector<int64_t> result;
    if (sparse) {
      for (int64_t i = 0; i < given.size(); ++i) {
        const double value = given.at(i);
        const bool number = std::abs(value) < 1e9;  // also not NaN
        result.push_back(threshold ? static_cast<float>(value) >= *threshold : number ? static_cast<int64_t>(value) : -1);
      }
      return result;
    }
    const FloatValues values(given);
    const Dims& dims = given.dims();
    const auto axis = static_cast<size_t>(options_.axis < 0 ? options_.axis + given.rank() : options_.axis);
    if (axis >= dims.size()) throw UserError(fmt::format("metric '{}': there is no axis {}", name(), options_.axis));
    int64_t outer = 1, inner = 1;
    for (size_t i = 0; i < dims.size(); ++i) {
      if (i < axis) outer *= dims[i];
      if (i > axis) inner *= dims[i];
    }
    for (int64_t o = 0; o < outer; ++o)
      for (int64_t k = 0; k < inner; ++k) {
        int64_t best = 0;
        const auto at = [&](int64_t c) { return values[(o * dims[axis] + c) * inner + k]; };
        for (int64_t c = 1; c < dims[axis]; ++c)
          if (at(c) > at(best)) best = c;
        result.push_back(best);
      }
    return result;
  }

  IouOptions options_;
};

IouOptions options_of(const Config& config) {
  IouOptions options;
  if (config.has("num_classes")) options.classes = config.integer("num_classes");
  if (config.has("target_class_ids")) {
    options.targets = config.integers("target_class_ids");
  } else {
    for (int64_t i = 0; i < options.classes; ++i) options.targets.push_back(i);
  }
  if (config.has("ignore_class") && config.given("ignore_class")) options.ignored = config.integer("ignore_class");
  if (config.has("axis")) options.axis = config.integer("axis");
  if (config.has("threshold")) options.threshold = static_cast<float>(config.real("threshold"));
  if (config.has("sparse_y_pred")) options.sparse_pred = config.flag("sparse_y_pred");
  if (config.has("sparse_y_true")) options.sparse_true = config.flag("sparse_y_true");
  return options;
}

std::unique_ptr<Metric> make(const Config& config, const std::string& name) { return std::make_unique<Iou>(name, options_of(config)); }

std::unique_ptr<Metric> make_one_hot(const Config& config, const std::string& name) {
  IouOptions options = options_of(config);
  options.sparse_true = false;
  return std::make_unique<Iou>(name, std::move(options));
}

void check(const Config& config, spec::Reader& reader) {
  if (!config.has("target_class_ids")) return;
  const int64_t classes = config.has("num_classes") ? config.integer("num_classes") : 2;
  for (const int64_t id : config.integers("target_class_ids"))
    if (id < 0 || id >= classes)
      reader.report("target_class_ids", fmt::format("holds {}, must hold classes from 0 to {}", id, classes - 1));
}

std::vector<ConfigKey> keys(bool targets, bool one_hot) {
  std::vector<ConfigKey> keys = {int_key("num_classes", 1)};
  keys[0].max = 65536;  // the matrix has the square of it
  if (targets) keys.push_back(ints_key("target_class_ids", {}, true));
  keys.push_back({.name = "ignore_class", .kind = KeyKind::kInt});
  if (!one_hot) keys.push_back(bool_key("sparse_y_true", true));
  keys.push_back(bool_key("sparse_y_pred", !one_hot));
  keys.push_back(int_key("axis", spec::Node::integer(-1), -64));
  return keys;
}

}  // namespace

extern const MetricDef metric_iou, metric_binary_iou, metric_mean_iou, metric_one_hot_iou, metric_one_hot_mean_iou;
const MetricDef metric_iou = {
    .name = "io_u",
    .class_name = "IoU",
    .summary = "Intersection over union of some classes; class indices, or scores where the sparse keys are false.",
    .aliases = {"iou"},
    .keys = keys(true, false),
    .direction = Direction::kUp,
    .target = TargetKind::kAny,
    .make = make,
    .check = check};
const MetricDef metric_binary_iou = {
    .name = "binary_io_u",
    .class_name = "BinaryIoU",
    .summary = "The same of two classes, predicted by one number.",
    .aliases = {"binary_iou"},
    .keys = {ints_key("target_class_ids", spec::Node::list({spec::Node::integer(0), spec::Node::integer(1)})),
             float_key("threshold", 0.5, 0, 1)},
    .direction = Direction::kUp,
    .target = TargetKind::kAny,
    .make = make,
    .check = check};
const MetricDef metric_mean_iou = {.name = "mean_io_u",
                                   .class_name = "MeanIoU",
                                   .summary = "Mean over all classes.",
                                   .aliases = {"mean_iou"},
                                   .keys = keys(false, false),
                                   .direction = Direction::kUp,
                                   .target = TargetKind::kAny,
                                   .make = make};
const MetricDef metric_one_hot_iou = {.name = "one_hot_io_u",
                                      .class_name = "OneHotIoU",
                                      .summary = "Of some classes; one-hot targets and scores.",
                                      .aliases = {"one_hot_iou"},
                                      .keys = keys(true, true),
                                      .direction = Direction::kUp,
                                      .target = TargetKind::kAny,
                                      .make = make_one_hot,
                                      .check = check};
const MetricDef metric_one_hot_mean_iou = {.name = "one_hot_mean_io_u",
                                           .class_name = "OneHotMeanIoU",
                                           .summary = "Mean over all classes; one-hot targets and scores.",
                                           .aliases = {"one_hot_mean_iou"},
                                           .keys = keys(false, true),
                                           .direction = Direction::kUp,
                                           .target = TargetKind::kAny,
                                           .make = make_one_hot};

}  // namespace dl
