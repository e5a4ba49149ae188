// Parity: do two models give the same numbers? The proof of a conversion: random samples go through the source and through what was
// read back from the file written.
// Who uses it: convert, export, inspect --selftest.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/saved_model.h"

namespace dl {

struct ParityOptions {
  int64_t samples = 3;
  double atol = 1e-5, rtol = 1e-4;  // an element differs when |a - b| > atol + rtol * |a|
  uint64_t seed = 0;
};

struct OutputParity {
  std::string name;
  double max_error = 0, mean_error = 0;  // absolute
  double max_value = 0;                  // of the source's output, to judge them by
  int64_t differing = 0, elements = 0;
};

struct Parity {
  std::vector<OutputParity> outputs;
  bool ok() const;
  double max_error() const;
};

// `samples` random inputs that fit the model: sizes other than the batch that it leaves open are 7, integers stay below the tables they
// index. Inputs of fixed batch keep theirs.
NamedTensors random_inputs(const SavedModel& model, const ParityOptions& options);
// Outputs of the inference program, whole (no batches). Inputs go by name, else by position; a tensor that does not fit but does with its
// channels moved (an exported model may be channels-first) is moved. Weights of other types than the model's are converted one by one, and
// let go of if they were moved here.
NamedTensors run_model(SavedModel model, const NamedTensors& inputs);
// Element by element; names and order are those of `expected`, and channels may be moved here too. FileError where number or shapes differ.
Parity compare_outputs(const NamedTensors& expected, const NamedTensors& found, const ParityOptions& options);

}  // namespace dl
