// The training step as one Program: forward, backward, exchange between ranks, optimizer, moving statistics, step counter.
// With `microbatches` N the global batch is N fixed parts whose gradients add in a fixed tree, so any number of ranks that
// leaves each a power of two of parts gives the same bits. Batch-norm statistics are then per part.
// Who uses it: the training loop, bench, --explain.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "graph/program.h"
#include "layers/build.h"
#include "layers/losses.h"
#include "optimizers/optimizer.h"

namespace dl {

// How much each sample counts in the loss: a field of the data with one number per sample, or a number for each class of the only target.
struct SampleWeights {
  std::string field;                  // "": none
  std::map<int64_t, double> classes;  // others count 1; training only, as in Keras
};

struct StepOptions {
  SampleWeights weights;
  Precision precision;
  int64_t seed = 0;
  int rank = 0, ranks = 1;
  int microbatches = 0;            // of the global batch; 0: one per rank, whole
  bool skip_nonfinite = false;     // nan policy skip: a step whose loss or gradients are not finite changes the step counter only
  int64_t bucket_bytes = 1 << 20;  // gradients exchanged together
};

// Inputs, in order: the model's, the targets (one per output, "target:<output>"), where the data has weights "sample_weight" [batch],
// then scalars of the variable type:
// "learning_rate", and with several ranks "share" (this rank's samples * ranks / all samples).
// Outputs: "loss" (over all ranks, penalties included), "loss:<output>" of each output where there are several (this rank),
// "prediction:<output>" (this rank, in batch order), and last "mask:<output>" of outputs that have one.
struct TrainingProgram {
  Program program;
  std::vector<TensorType> targets;           // types of the targets
  std::vector<std::optional<size_t>> masks;  // number of the output with each prediction's mask
  bool has_weights = false;
  size_t learning_rate_input = 0;
  bool has_share = false;
};

// `losses`: one per model output. Weights come first in Program::parameters, in registry order, then the optimizer's slots
// ("dense/kernel/adam_m" style names) and "step".
TrainingProgram build_training_program(const Model& model, const std::vector<OutputLoss>& losses, const Optimizer& optimizer,
                                       const StepOptions& options);

// For evaluation: inputs and targets as above; outputs "loss" (mean, penalties left out), "loss:<output>", "prediction:<output>".
TrainingProgram build_evaluation_program(const Model& model, const std::vector<OutputLoss>& losses, const Precision& precision,
                                         bool weighted = false);

}  // namespace dl
