// What a classifier gets right and wrong, class by class: scores and a confusion matrix as HTML. Who uses it: report, eval.
// Scores are as in scikit-learn; a ratio with denominator 0 is NaN and shown as "–".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dl {

struct ConfusionMatrix {
  std::vector<std::string> class_names;
  std::vector<int64_t> counts;  // [true class][predicted class], row-major, class_names.size() squared
  std::string data_name;        // "test"

  size_t size() const { return class_names.size(); }
  int64_t at(size_t truth, size_t predicted) const { return counts[truth * size() + predicted]; }
};

struct ClassScores {
  double precision = 0, recall = 0, f1 = 0;
  int64_t samples = 0;    // of this class
  int64_t predicted = 0;  // as this class
};
std::vector<ClassScores> class_scores(const ConfusionMatrix& matrix);
double accuracy_of(const ConfusionMatrix& matrix);  // NaN without samples

// <section> with scores, matrix and the pairs most often confused. Above 200 classes the matrix is left out.
std::string render_classes(const ConfusionMatrix& matrix);

}  // namespace dl
