// Counts of true and false positives and negatives at thresholds, as Keras counts them: a value is predicted positive above a threshold,
// and positive in truth unless it is 0. State, for each label: true positives at each threshold, false positives at each, all positives,
// all negatives.
// Who uses it: confusion.cpp.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "train/metrics/values.h"

namespace dl {

struct ThresholdOptions {
  std::vector<double> thresholds;  // rising
  bool even = false;               // evenly spaced from 0 to 1: Keras then counts by buckets, which decides at the edges
  bool with_ends = false;          // the first is a little below 0 and the last a little above 1
  std::optional<int64_t> class_id, top_k;
  std::vector<double> label_weights;  // by the last axis
  int64_t labels = 1;                 // counted apart; above 1: as many as the last axis has
  bool from_logits = false;
};

// Keras: at least three, evenly spaced from 0 to 1.
bool is_even(std::span<const double> thresholds);
// 0, ..., 1 (1 alone: one half).
ThresholdOptions even_thresholds(int64_t count);

class ThresholdMetric : public Metric {
 public:
  void update(const Tensor& y_true, const Tensor& y_pred, std::span<const float> weights) override;

 protected:
  ThresholdMetric(std::string name, ThresholdOptions options);

  struct Counts {
    double tp, fp, tn, fn;
  };
  Counts at(size_t threshold, int64_t label = 0) const;
  size_t thresholds() const { return options_.thresholds.size(); }
  const ThresholdOptions& options() const { return options_; }

 private:
  void count(double* state, bool positive, float p, double weight) const;

  ThresholdOptions options_;
  std::vector<float> edges_;
};

double divide_no_nan(double a, double b);

}  // namespace dl
