// Host views of predictions, targets and weights that the metrics share, and the weighted mean most of them are.
// Who uses it: the files of train/metrics.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"
#include "train/metric.h"

namespace dl {

// Values as float32, in place where they already are.
class FloatValues {
 public:
  explicit FloatValues(const Tensor& tensor) : tensor_(tensor.cast(DType::kFloat32)), values_(tensor_.data<float>()) {}
  const float* data() const { return values_; }
  float operator[](int64_t i) const { return values_[i]; }
  int64_t size() const { return tensor_.size(); }

 private:
  Tensor tensor_;
  const float* values_;
};

// DL_CHECKs that there is a target for each prediction.
void check_same_size(const Tensor& y_true, const Tensor& y_pred);

// Predictions as rows of classes.
struct Rows {
  explicit Rows(const Tensor& y_pred);
  const float* row(int64_t i) const { return values.data() + i * classes; }
  FloatValues values;
  int64_t classes, count = 0;
};

int64_t argmax(const float* row, int64_t classes);
// The class of each row, from one-hot rows or from indices. An index that is no class is kept.
std::vector<int64_t> class_of_rows(const Tensor& y_true, const Rows& rows, bool sparse);

// The weight of each of `count` values in a row; one weight may stand for several neighbours.
class WeightOf {
 public:
  WeightOf(std::span<const float> weights, int64_t count);
  float operator[](int64_t i) const { return weights_.empty() ? 1.0f : weights_[static_cast<size_t>(i / repeat_)]; }

 private:
  std::span<const float> weights_;
  int64_t repeat_ = 1;
};

// Sum of weight * value over sum of weights; state: the two sums.
class MeanMetric : public Metric {
 public:
  explicit MeanMetric(std::string name) : Metric(std::move(name), 2) {}
  double result() const override { return state_[1] == 0 ? 0 : state_[0] / state_[1]; }
  bool takes_mask() const override { return true; }

 protected:
  // value(i) for i in [0, count).
  template <class Value>
  void add(int64_t count, std::span<const float> weights, const Value& value) {
    const WeightOf weight(weights, count);
    double sum = 0, total = 0;
    for (int64_t i = 0; i < count; ++i) {
      const double w = weight[i];
      sum += w == 0 ? 0 : w * value(i);  // what is masked may be NaN
      total += w;
    }
    state_[0] += sum;
    state_[1] += total;
  }
};

}  // namespace dl
