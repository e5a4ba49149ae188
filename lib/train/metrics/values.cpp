#include "train/metrics/values.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace dl {

WeightOf::WeightOf(std::span<const float> weights, int64_t count) : weights_(weights) {
  const auto n = static_cast<int64_t>(weights.size());
  if (n == 0) return;
  DL_CHECK(count % n == 0, fmt::format("{} weights do not fit {} values", n, count));
  repeat_ = std::max<int64_t>(1, count / n);
}

void check_same_size(const Tensor& y_true, const Tensor& y_pred) {
  const auto text = [](const Tensor& t) { return to_string(std::span<const int64_t>(t.dims())); };
  DL_CHECK(y_true.size() == y_pred.size(), fmt::format("targets {} do not fit predictions {}", text(y_true), text(y_pred)));
}

Rows::Rows(const Tensor& y_pred) : values(y_pred), classes(y_pred.dims().empty() ? 1 : y_pred.dims().back()) {
  count = classes == 0 ? 0 : y_pred.size() / classes;
}

int64_t argmax(const float* row, int64_t classes) { return std::max_element(row, row + classes) - row; }

// The class of each row, from one-hot rows or from indices. An index that is no class is kept.
std::vector<int64_t> class_of_rows(const Tensor& y_true, const Rows& rows, bool sparse) {
  std::vector<int64_t> labels(static_cast<size_t>(rows.count));
  if (sparse) {
    DL_CHECK(y_true.size() == rows.count, fmt::format("{} labels for {} predictions", y_true.size(), rows.count));
    const Tensor indices = y_true.cast(DType::kInt64);
    std::copy_n(indices.data<int64_t>(), rows.count, labels.begin());
    // Keras compares the label as a number, so 1.5 is no class.
    if (is_float(y_true.dtype())) {
      const FloatValues given(y_true);
      for (int64_t i = 0; i < rows.count; ++i) {
        if (given[i] != static_cast<float>(labels[static_cast<size_t>(i)])) labels[static_cast<size_t>(i)] = -1;
      }
    }
  } else {
    const Rows truth(y_true);
    DL_CHECK(truth.count == rows.count && truth.classes == rows.classes, "targets do not fit predictions");
    for (int64_t i = 0; i < rows.count; ++i) labels[static_cast<size_t>(i)] = argmax(truth.row(i), truth.classes);
  }
  return labels;
}

}  // namespace dl
