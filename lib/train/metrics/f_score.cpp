#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "train/metrics/values.h"

namespace dl {
namespace {

constexpr double kEpsilon = 1e-7;  // Keras's fuzz factor

// State for each class (or, for the average micro, for all of them): true positives, false positives, false negatives, positives.
class FBeta : public Metric {
 public:
  FBeta(std::string name, const Config& config, int64_t classes)
      : Metric(std::move(name), static_cast<size_t>(4 * classes)),
        average_(config.given("average") ? config.text("average") : ""),
        beta_(config.has("beta") ? config.real("beta") : 1) {
    if (config.given("threshold")) threshold_ = static_cast<float>(config.real("threshold"));
    if (average_ == "micro") state_.resize(4);
  }

  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override {
    check_same_size(y_true, y_pred);
    const FloatValues truth(y_true);
    const Rows rows(y_pred);
    const WeightOf weight(weights, rows.values.size());
    for (int64_t r = 0; r < rows.count; ++r) {
      const float top = *std::max_element(rows.row(r), rows.row(r) + rows.classes);
      for (int64_t c = 0; c < rows.classes; ++c) {
        const float p = rows.row(r)[c];
        const bool predicted = threshold_ ? p > *threshold_ : p >= top && std::abs(p) > 1e-9f;
        const double w = weight[r * rows.classes + c], t = truth[r * rows.classes + c];
        double* s = state_.data() + (average_ == "micro" ? 0 : 4 * c);
        s[0] += predicted ? w * t : 0;
        s[1] += predicted ? w * (1 - t) : 0;
        s[2] += predicted ? 0 : w * t;
        s[3] += w * t;
      }
    }
  }

  std::vector<double> results() const override {
    std::vector<double> scores, weights;
    for (size_t i = 0; i < state_.size(); i += 4) {
      const double precision = state_[i] / (state_[i] + state_[i + 1] + kEpsilon),
                   recall = state_[i] / (state_[i] + state_[i + 2] + kEpsilon);
      const double square = beta_ * beta_;
      scores.push_back(precision * recall / (square * precision + recall + kEpsilon) * (1 + square));
      weights.push_back(state_[i + 3]);
    }
    if (average_.empty()) return scores;
    if (average_ == "weighted") {
      const double total = std::accumulate(weights.begin(), weights.end(), 0.0) + kEpsilon;
      return {std::inner_product(scores.begin(), scores.end(), weights.begin(), 0.0) / total};
    }
    return {std::accumulate(scores.begin(), scores.end(), 0.0) / static_cast<double>(scores.size())};
  }
  double result() const override { return results()[0]; }

 private:
  std::string average_;
  double beta_;
  std::optional<float> threshold_;
};

std::unique_ptr<Metric> make(const Config& config, const std::string& name, const MetricTypes& types) {
  return std::make_unique<FBeta>(name, config, matrix_columns(types, name));
}

void check(const Config& config, spec::Reader& reader) {
  if (config.has("beta") && config.real("beta") <= 0) reader.report("beta", "must be above 0");
  if (config.given("threshold") && config.real("threshold") <= 0) reader.report("threshold", "must be above 0 and at most 1");
}

std::vector<ConfigKey> keys() {
  ConfigKey threshold = float_key("threshold", 0, 0, 1);
  threshold.fallback = {};
  return {{.name = "average", .kind = KeyKind::kChoice, .choices = {"micro", "macro", "weighted"}}, threshold};
}

}  // namespace

extern const MetricDef metric_f1_score, metric_fbeta_score;
const MetricDef metric_f1_score = {.name = "f1_score",
                                   .class_name = "F1Score",
                                   .summary = "Harmonic mean of precision and recall, of each class, or averaged; one-hot targets.",
                                   .keys = keys(),
                                   .direction = Direction::kUp,
                                   .make_for = make,
                                   .check = check};
const MetricDef metric_fbeta_score = {.name = "fbeta_score",
                                      .class_name = "FBetaScore",
                                      .summary = "The same where recall counts beta times as much as precision.",
                                      .aliases = {"f_beta_score"},
                                      .keys = join_keys({float_key("beta", 1, 0)}, keys()),
                                      .direction = Direction::kUp,
                                      .make_for = make,
                                      .check = check};

}  // namespace dl
