// Evaluator: loss and metrics of a model over a dataset, over all ranks, and what the report shows of its predictions.
// Who uses it: validation in the training loop, eval.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "dist/communicator.h"
#include "plan/session.h"
#include "train/class_report.h"
#include "train/feed.h"
#include "train/history.h"
#include "train/metric.h"
#include "train/step_program.h"

namespace dl {

// Mean loss (and of each output) and metrics, gathered batch by batch; sums over ranks merge. Used while training too.
class LogAccumulator {
 public:
  LogAccumulator(const Model& model, const std::vector<std::vector<MetricSpec>>& metrics, const std::vector<TensorType>& targets,
                 const std::vector<TensorType>& predictions);
  // Output losses may be empty (one output). Targets, predictions and masks (no tensor: none): one per output. `weights`: of the samples,
  // or empty; they are for the metrics that are weighted.
  void add(double loss, std::span<const double> output_losses, std::span<const Tensor> targets, std::span<const Tensor> predictions,
           std::span<const std::optional<Tensor>> masks, std::span<const float> weights, int64_t samples);
  Logs logs() const;  // loss, <output>_loss, metrics
  void reset();
  void merge(Communicator& communicator);  // the sums of all ranks, on every rank
  std::vector<double> state() const;       // everything, for checkpoints
  void set_state(std::span<const double> state);

 private:
  std::vector<std::string> output_names_;
  std::vector<double> sums_;  // samples, loss, output losses
  struct Entry {
    size_t output;
    std::string name;
    std::unique_ptr<Metric> metric;
    bool weighted = false;
  };
  std::vector<Entry> metrics_;
};

class Evaluator {
 public:
  // References are kept. `preprocessing` undoes target scaling for nothing but the caller's own use; losses are on scaled values,
  // as in training.
  Evaluator(const Model& model, const std::vector<OutputLoss>& losses, const std::vector<std::vector<MetricSpec>>& metrics,
            const Precision& precision, Session& session, Communicator& communicator, const std::string& weight_field = "");

  using Watch = std::function<bool(int64_t done, int64_t total)>;  // after each batch; false: give up
  // Logs without prefix; nullopt when `watch` gave up. `confusion` (may be null) is filled for a single class target.
  std::optional<Logs> run(const DatasetPtr& dataset, int64_t batch_size, int workers, const Watch& watch = {},
                          ConfusionMatrix* confusion = nullptr);

  const TrainingProgram& program() const { return program_; }

 private:
  const Model& model_;
  const std::vector<OutputLoss>& losses_;
  const std::vector<std::vector<MetricSpec>>& metrics_;
  Precision precision_;
  Session& session_;
  Communicator& communicator_;
  std::string weight_field_;
  TrainingProgram program_;
  std::vector<TensorType> predictions_;
  size_t id_;
};

// The masks of a run's predictions.
std::vector<std::optional<Tensor>> read_masks(const Executable& run, const TrainingProgram& program);
// The tensor as floats, for metrics.
std::vector<float> read_weights(const Tensor& weights);

// A host view of output k: on the CPU a copy is cheap beside the step.
std::vector<Tensor> read_predictions(const Executable& run, size_t first_output, size_t stride, size_t count);

}  // namespace dl
