// What predict writes for the outputs of a network: columns with names, class labels and values in the units of the training data.
//   classifier   class, probability (of that class), probability_LABEL of every class; score in place of probability where the output is
//                no softmax or sigmoid
//   other        the target's name; name_0, name_1, ... for several values
// With several outputs a classifier's columns begin with the output's name and "_". Raw: one array per output, values only.
#pragma once

#include <string>
#include <vector>

#include "data/record_writer.h"
#include "train/model_file.h"

namespace dl::app {

class PredictionTable {
 public:
  PredictionTable(const LoadedModel& loaded, const Program& program, bool raw);
  const std::vector<RecordColumn>& columns() const { return columns_; }
  // One tensor per column, from the values of all outputs for a batch.
  std::vector<Tensor> rows(const std::vector<Tensor>& outputs) const;

 private:
  enum class Kind { kValues, kClasses, kBinary };
  struct Output {
    Kind kind = Kind::kValues;
    bool probabilities = false;
    std::vector<std::string> labels;
    const FieldScaling* scaling = nullptr;
    bool scalar = false;  // one value per sample: written as a number, not as a list
  };
  Output classify(const LoadedModel& loaded, const Program& program, size_t o, bool raw) const;
  void add_columns(const Output& output, const std::string& name, const std::string& prefix, Dims dims);
  static void add_class_rows(const Output& output, const Tensor& values, std::vector<Tensor>& rows);

  std::vector<Output> outputs_;
  std::vector<RecordColumn> columns_;
};

}  // namespace dl::app
