#include "train/evaluator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace dl {

namespace {

std::vector<TensorType> prediction_types(const Program& program) {
  std::vector<TensorType> types;
  for (const NamedValue& o : program.outputs)
    if (o.name.rfind("prediction:", 0) == 0) types.push_back(program.graph.type(o.value));
  return types;
}

// Counts class predictions: the largest of several scores, or one score against one half.
void count_classes(const Tensor& target, const Tensor& prediction, ConfusionMatrix& matrix) {
  const int64_t n = prediction.dims()[0], width = n ? prediction.size() / n : 0;
  const auto classes = static_cast<int64_t>(matrix.size());
  for (int64_t i = 0; i < n; ++i) {
    int64_t best = 0;
    if (width == 1) {
      best = prediction.at(i) > 0.5 ? 1 : 0;
    } else {
      for (int64_t k = 1; k < width; ++k)
        if (prediction.at(i * width + k) > prediction.at(i * width + best)) best = k;
    }
    const auto truth = static_cast<int64_t>(target.at(i));
    if (truth >= 0 && truth < classes && best < classes) ++matrix.counts[static_cast<size_t>(truth * classes + best)];
  }
}

// A mask of the first axes of the predictions.
bool fits(const Tensor& mask, const Tensor& prediction) {
  return mask.rank() <= prediction.rank() && std::equal(mask.dims().begin(), mask.dims().end(), prediction.dims().begin());
}

// Empty: all count alike.
std::vector<float> combined(const Tensor* mask, std::span<const float> weights) {
  std::vector<float> all(weights.begin(), weights.end());
  if (!mask) return all;
  std::vector<float> both = read_weights(*mask);
  const size_t repeat = all.empty() ? 1 : both.size() / std::max<size_t>(all.size(), 1);
  for (size_t i = 0; i < both.size() && !all.empty(); ++i) both[i] *= all[i / std::max<size_t>(repeat, 1)];
  return both;
}

}  // namespace

std::vector<float> read_weights(const Tensor& weights) {
  const Tensor floats = weights.cast(DType::kFloat32);
  return {floats.data<float>(), floats.data<float>() + floats.size()};
}

std::vector<std::optional<Tensor>> read_masks(const Executable& run, const TrainingProgram& program) {
  std::vector<std::optional<Tensor>> masks;
  for (const std::optional<size_t>& output : program.masks) masks.push_back(output ? std::optional(run.output(*output)) : std::nullopt);
  return masks;
}

LogAccumulator::LogAccumulator(const Model& model, const std::vector<std::vector<MetricSpec>>& metrics,
                               const std::vector<TensorType>& targets, const std::vector<TensorType>& predictions) {
  const bool several = model.outputs.size() > 1;
  for (const ModelOutput& o : model.outputs) output_names_.push_back(o.name);
  sums_.assign(2 + (several ? model.outputs.size() : 0), 0);
  for (size_t o = 0; o < metrics.size(); ++o)
    for (const MetricSpec& m : metrics[o])
      metrics_.push_back(
          {o, metric_log_name(m, output_names_[o], output_names_.size()), make_metric(m, targets[o], predictions[o]), m.weighted});
}

void LogAccumulator::add(double loss, std::span<const double> output_losses, std::span<const Tensor> targets,
                         std::span<const Tensor> predictions, std::span<const std::optional<Tensor>> masks, std::span<const float> weights,
                         int64_t samples) {
  const auto weight = static_cast<double>(samples);
  sums_[0] += weight;
  sums_[1] += loss * weight;
  for (size_t o = 0; o < output_losses.size(); ++o) sums_[2 + o] += output_losses[o] * weight;
  for (Entry& e : metrics_) {
    const bool masked =
        e.metric->takes_mask() && e.output < masks.size() && masks[e.output] && fits(*masks[e.output], predictions[e.output]);
    const std::vector<float> all = combined(masked ? &*masks[e.output] : nullptr, e.weighted ? weights : std::span<const float>());
    e.metric->update(targets[e.output], predictions[e.output], all);
  }
}

Logs LogAccumulator::logs() const {
  Logs logs;
  logs.emplace_back("loss", sums_[1] / sums_[0]);
  for (size_t o = 0; o + 2 < sums_.size(); ++o) logs.emplace_back(output_names_[o] + "_loss", sums_[2 + o] / sums_[0]);
  for (const Entry& e : metrics_) {
    const std::vector<double> results = e.metric->results();
    if (results.size() == 1) logs.emplace_back(e.name, results[0]);
    for (size_t i = 0; results.size() > 1 && i < results.size(); ++i) logs.emplace_back(fmt::format("{}_{}", e.name, i), results[i]);
  }
  return logs;
}

void LogAccumulator::reset() {
  sums_.assign(sums_.size(), 0);
  for (Entry& e : metrics_) e.metric->reset();
}

std::vector<double> LogAccumulator::state() const {
  std::vector<double> all = sums_;
  for (const Entry& e : metrics_) {
    const std::vector<double>& s = e.metric->state();
    all.insert(all.end(), s.begin(), s.end());
  }
  return all;
}

void LogAccumulator::set_state(std::span<const double> state) {
  size_t next = 0;
  const auto take = [&](std::vector<double>& into) {
    DL_CHECK(next + into.size() <= state.size(), "saved metric sums do not fit the metrics");
    for (double& v : into) v = state[next++];
  };
  take(sums_);
  for (Entry& e : metrics_) take(e.metric->state());
  DL_CHECK(next == state.size(), "saved metric sums do not fit the metrics");
}

void LogAccumulator::merge(Communicator& communicator) {
  if (communicator.size() == 1) return;
  std::vector<double> all = state();
  communicator.all_reduce(all.data(), all.size(), DType::kFloat64, false);
  set_state(all);
}

std::vector<Tensor> read_predictions(const Executable& run, size_t first_output, size_t stride, size_t count) {
  std::vector<Tensor> predictions;
  for (size_t o = 0; o < count; ++o) predictions.push_back(run.output(first_output + o * stride));
  return predictions;
}

Evaluator::Evaluator(const Model& model, const std::vector<OutputLoss>& losses, const std::vector<std::vector<MetricSpec>>& metrics,
                     const Precision& precision, Session& session, Communicator& communicator, const std::string& weight_field)
    : model_(model),
      losses_(losses),
      metrics_(metrics),
      precision_(precision),
      session_(session),
      communicator_(communicator),
      weight_field_(weight_field),
      program_(build_evaluation_program(model, losses, precision, !weight_field.empty())),
      predictions_(prediction_types(program_.program)),
      id_(session.add(program_.program)) {}

std::optional<Logs> Evaluator::run(const DatasetPtr& dataset, int64_t batch_size, int workers, const Watch& watch,
                                   ConfusionMatrix* confusion) {
  const Feed feed(model_, precision_, program_.targets, dataset->fields(), weight_field_);
  const size_t outputs = model_.outputs.size(), stride = outputs > 1 ? 2 : 1, first = outputs > 1 ? 2 : 1;
  if (confusion) {
    *confusion = {};
    if (outputs == 1 && program_.targets[0].shape.size() == predictions_[0].shape.size() - (losses_[0].loss.takes_classes() ? 1 : 0))
      confusion->class_names = dataset->fields()[feed.targets()[0].field].classes;
    confusion->counts.assign(confusion->size() * confusion->size(), 0);
  }
  LoaderOptions options;
  options.batch_size = batch_size;
  options.rank = communicator_.rank();
  options.world_size = communicator_.size();
  options.workers = workers;
  options.epochs = 1;
  BatchLoader loader(feed.convert(dataset), options);
  LogAccumulator logs(model_, metrics_, program_.targets, predictions_);
  bool go_on = true;
  for (int64_t done = 1; go_on; ++done) {
    const std::optional<Batch> batch = loader.next();
    if (!batch) break;
    if (batch->count > 0) {
      std::vector<Tensor> tensors;
      feed.tensors(*batch, tensors);
      const Executable& run = session_.run(id_, tensors);
      std::vector<double> output_losses;
      if (outputs > 1)
        for (size_t o = 0; o < outputs; ++o) output_losses.push_back(run.scalar_output(1 + 2 * o));
      const std::vector<Tensor> predictions = read_predictions(run, first, stride, outputs);
      const std::span<const Tensor> targets = std::span<const Tensor>(tensors).subspan(feed.inputs().size());
      const std::vector<float> weights = program_.has_weights ? read_weights(tensors.back()) : std::vector<float>();
      logs.add(run.scalar_output(0), output_losses, targets, predictions, read_masks(run, program_), weights, batch->count);
      if (confusion && confusion->size() > 0) count_classes(targets[0], predictions[0], *confusion);
    }
    if (watch) go_on = watch(done, loader.batches_per_epoch());
  }
  if (!go_on) return std::nullopt;
  logs.merge(communicator_);
  if (confusion && communicator_.size() > 1 && confusion->size() > 0) {
    std::vector<double> counts(confusion->counts.begin(), confusion->counts.end());
    communicator_.all_reduce(counts.data(), counts.size(), DType::kFloat64, false);
    for (size_t i = 0; i < counts.size(); ++i) confusion->counts[i] = static_cast<int64_t>(counts[i]);
  }
  return logs.logs();
}

}  // namespace dl
