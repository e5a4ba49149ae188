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
#include "train/anomalies.h"
#include "train/class_report.h"
#include "train/feed.h"
#include "train/history.h"
#include "train/metric.h"
#include "train/picture_report.h"
#include "train/step_program.h"

namespace dl {

// Mean loss (and of each output) and metrics, gathered batch by batch; sums over ranks merge. Used while training too.
class LogAccumulator {
 public:
  // `scalings`: of each output's target, null for none, or empty; kept. Metrics of quantities are then in the units of the data.
  LogAccumulator(const Model& model, const std::vector<std::vector<MetricSpec>>& metrics, const std::vector<TensorType>& targets,
                 const std::vector<TensorType>& predictions, std::vector<const FieldScaling*> scalings = {});
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
    bool weighted = false, in_units = false;
  };
  std::vector<Entry> metrics_;
  std::vector<const FieldScaling*> scalings_;
};

// What evaluation finds besides losses and metrics.
struct EvaluationDetails {
  // Asked for:
  std::optional<ErrorKind> want_errors;
  size_t want_pictures = 0;
  // Found:
  ConfusionMatrix confusion;   // of a single class target
  Logs last_value;             // of windows of a series: metrics of the forecast that nothing changes, in the units of the data
  std::vector<double> errors;  // by sample, of scaled values; NaN for one that could not be read
  std::vector<ReconstructedPicture> pictures;  // of the first samples
};

class Evaluator {
 public:
  // References are kept. Losses are on scaled values, as in training; metrics of quantities are in the units of the data. `metrics`: of
  // each output, or none at all.
  Evaluator(const Model& model, const std::vector<OutputLoss>& losses, std::vector<std::vector<MetricSpec>> metrics,
            const Precision& precision, Session& session, Communicator& communicator, const std::string& weight_field = "");

  using Watch = std::function<bool(int64_t done, int64_t total)>;  // after each batch; false: give up
  // Logs without prefix; nullopt when `watch` gave up. `details` may be null.
  std::optional<Logs> run(const DatasetPtr& dataset, int64_t batch_size, int workers, const Watch& watch = {},
                          EvaluationDetails* details = nullptr);

  const TrainingProgram& program() const { return program_; }

 private:
  const Model& model_;
  const std::vector<OutputLoss>& losses_;
  std::vector<std::vector<MetricSpec>> metrics_;  // of each output
  Precision precision_;
  Session& session_;
  Communicator& communicator_;
  std::string weight_field_;
  TrainingProgram program_;
  std::vector<TensorType> predictions_;
  size_t id_;
};

// How the data scales the target of each output.
std::vector<const FieldScaling*> target_scalings(const Feed& feed, const Dataset& dataset);
// The masks of a run's predictions.
std::vector<std::optional<Tensor>> read_masks(const Executable& run, const TrainingProgram& program);
// The tensor as floats, for metrics.
std::vector<float> read_weights(const Tensor& weights);

// A host view of output k: on the CPU a copy is cheap beside the step.
std::vector<Tensor> read_predictions(const Executable& run, size_t first_output, size_t stride, size_t count);

}  // namespace dl
