#include "train/evaluator.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/preprocessing.h"
#include "data/series.h"

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

std::vector<const FieldScaling*> target_scalings(const Feed& feed, const Dataset& dataset) {
  std::vector<const FieldScaling*> scalings;
  for (const FeedSlot& target : feed.targets()) scalings.push_back(dataset.scaling(target.field));
  return scalings;
}

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
                               const std::vector<TensorType>& targets, const std::vector<TensorType>& predictions,
                               std::vector<const FieldScaling*> scalings)
    : scalings_(std::move(scalings)) {
  scalings_.resize(model.outputs.size(), nullptr);
  const bool several = model.outputs.size() > 1;
  for (const ModelOutput& o : model.outputs) output_names_.push_back(o.name);
  sums_.assign(2 + (several ? model.outputs.size() : 0), 0);
  for (size_t o = 0; o < metrics.size(); ++o)
    for (const MetricSpec& m : metrics[o])
      metrics_.push_back({o, metric_log_name(m, output_names_[o], output_names_.size()), make_metric(m, targets[o], predictions[o]),
                          m.weighted, m.in_units()});
}

void LogAccumulator::add(double loss, std::span<const double> output_losses, std::span<const Tensor> targets,
                         std::span<const Tensor> predictions, std::span<const std::optional<Tensor>> masks, std::span<const float> weights,
                         int64_t samples) {
  const auto weight = static_cast<double>(samples);
  sums_[0] += weight;
  sums_[1] += loss * weight;
  for (size_t o = 0; o < output_losses.size(); ++o) sums_[2 + o] += output_losses[o] * weight;
  std::vector<std::optional<std::pair<Tensor, Tensor>>> in_units(scalings_.size());
  for (Entry& e : metrics_) {
    const FieldScaling* scaling = e.in_units ? scalings_[e.output] : nullptr;
    if (scaling && !in_units[e.output])
      in_units[e.output].emplace(undo_scaling(targets[e.output], *scaling), undo_scaling(predictions[e.output], *scaling));
    const Tensor& y_true = scaling ? in_units[e.output]->first : targets[e.output];
    const Tensor& y_pred = scaling ? in_units[e.output]->second : predictions[e.output];
    const bool masked =
        e.metric->takes_mask() && e.output < masks.size() && masks[e.output] && fits(*masks[e.output], predictions[e.output]);
    const std::vector<float> all = combined(masked ? &*masks[e.output] : nullptr, e.weighted ? weights : std::span<const float>());
    e.metric->update(y_true, y_pred, all);
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

Evaluator::Evaluator(const Model& model, const std::vector<OutputLoss>& losses, std::vector<std::vector<MetricSpec>> metrics,
                     const Precision& precision, Session& session, Communicator& communicator, const std::string& weight_field)
    : model_(model),
      losses_(losses),
      metrics_(std::move(metrics)),
      precision_(precision),
      session_(session),
      communicator_(communicator),
      weight_field_(weight_field),
      program_(build_evaluation_program(model, losses, precision, !weight_field.empty())),
      predictions_(prediction_types(program_.program)),
      id_(session.add(program_.program)) {
  metrics_.resize(losses.size());
}

namespace {

// The metrics of quantities, for the forecast that the last value stays. Does nothing for data that is no series.
class LastValue {
 public:
  LastValue(const Model& model, const std::vector<std::vector<MetricSpec>>& metrics, const TrainingProgram& program,
            const std::vector<TensorType>& predictions, const Feed& feed, const Dataset& dataset)
      : feed_(feed), dataset_(dataset), scalings_(target_scalings(feed, dataset)) {
    if (dataset.size() == 0 || !dataset.origin(0).series) return;
    std::vector<std::vector<MetricSpec>> chosen(metrics.size());
    for (size_t o = 0; o < metrics.size(); ++o) {
      std::vector<float> row(static_cast<size_t>(dataset.fields()[feed.targets()[o].field].row_elements()));
      const SampleOrigin first = dataset.origin(0);
      if (!first.series->last_value(first.window, feed.targets()[o].field, row)) continue;
      for (const MetricSpec& m : metrics[o])
        if (m.in_units()) chosen[o].push_back(m);
      any_ = any_ || !chosen[o].empty();
    }
    if (any_) logs_.emplace(model, chosen, program.targets, predictions);
  }

  void add(const Batch& batch, std::span<const Tensor> targets, std::span<const Tensor> predictions,
           std::span<const std::optional<Tensor>> masks, std::span<const float> weights) {
    if (!any_) return;
    std::vector<Tensor> truths, forecasts;
    for (size_t o = 0; o < targets.size(); ++o) {
      truths.push_back(scalings_[o] ? undo_scaling(targets[o], *scalings_[o]) : targets[o]);
      Tensor forecast(DType::kFloat32, targets[o].dims());
      const int64_t width = forecast.size() / std::max<int64_t>(batch.count, 1);
      for (int64_t i = 0; i < batch.count; ++i) {
        const SampleOrigin origin = dataset_.origin(batch.samples[static_cast<size_t>(i)]);
        origin.series->last_value(origin.window, feed_.targets()[o].field,
                                  {forecast.data<float>() + i * width, static_cast<size_t>(width)});
      }
      if (scalings_[o])
        for (int64_t i = 0; i < forecast.size(); ++i) forecast.set(i, scalings_[o]->filled(forecast.at(i), i));
      forecasts.push_back(forecast.size() == predictions[o].size() ? forecast.reshaped(predictions[o].dims()) : forecast);
    }
    logs_->add(0, std::vector<double>(targets.size() > 1 ? targets.size() : 0), truths, forecasts, masks, weights, batch.count);
  }

  Logs logs(Communicator& communicator) {
    if (!any_) return {};
    logs_->merge(communicator);
    Logs logs = logs_->logs();
    logs.erase(logs.begin(), logs.begin() + (scalings_.size() > 1 ? 1 + static_cast<std::ptrdiff_t>(scalings_.size()) : 1));
    return logs;
  }

 private:
  const Feed& feed_;
  const Dataset& dataset_;
  std::vector<const FieldScaling*> scalings_;
  std::optional<LogAccumulator> logs_;
  bool any_ = false;
};

// Sums over all ranks.
void sum_up(std::vector<double>& values, Communicator& communicator) {
  if (communicator.size() > 1 && !values.empty()) communicator.all_reduce(values.data(), values.size(), DType::kFloat64, false);
}

// Gathers details of one evaluation.
class DetailGatherer {
 public:
  DetailGatherer(EvaluationDetails& details, LastValue last_value, const Feed& feed, const Dataset& dataset, bool class_numbers)
      : details_(details), last_value_(std::move(last_value)) {
    if (feed.targets().size() == 1) scaling_ = dataset.scaling(feed.targets()[0].field);
    details.confusion = {};
    if (class_numbers) details.confusion.class_names = dataset.fields()[feed.targets()[0].field].classes;
    details.confusion.counts.assign(details.confusion.size() * details.confusion.size(), 0);
    if (details.want_errors) errors_.assign(2 * static_cast<size_t>(dataset.size()), 0);
    details.pictures.clear();
  }

  void add(const Batch& batch, std::span<const Tensor> targets, std::span<const Tensor> predictions,
           std::span<const std::optional<Tensor>> masks, std::span<const float> weights) {
    if (details_.confusion.size() > 0) count_classes(targets[0], predictions[0], details_.confusion);
    last_value_.add(batch, targets, predictions, masks, weights);
    if (details_.want_errors) {
      const std::vector<double> errors = sample_errors(targets[0], predictions[0], *details_.want_errors);
      for (size_t i = 0; i < errors.size(); ++i) {
        const auto sample = 2 * static_cast<size_t>(batch.samples[i]);
        errors_[sample] = errors[i];
        errors_[sample + 1] = 1;
      }
    }
    if (targets[0].size() != predictions[0].size()) return;
    for (int64_t i = 0; i < batch.count && details_.pictures.size() < details_.want_pictures; ++i)
      details_.pictures.push_back({row(targets[0], i), row(predictions[0], i)});
  }

  void finish(Communicator& communicator) {
    details_.last_value = last_value_.logs(communicator);
    std::vector<double> counts(details_.confusion.counts.begin(), details_.confusion.counts.end());
    sum_up(counts, communicator);
    for (size_t i = 0; i < counts.size(); ++i) details_.confusion.counts[i] = static_cast<int64_t>(counts[i]);
    sum_up(errors_, communicator);
    details_.errors.clear();
    for (size_t i = 0; i < errors_.size(); i += 2) details_.errors.push_back(errors_[i + 1] > 0 ? errors_[i] : std::nan(""));
  }

 private:
  // One sample in the units of the data.
  Tensor row(const Tensor& values, int64_t i) const {
    Tensor one = values.rows(i, i + 1).cast(DType::kFloat32);
    if (scaling_) one = undo_scaling(one, *scaling_);
    return one.reshaped(Dims(one.dims().begin() + 1, one.dims().end()));
  }

  EvaluationDetails& details_;
  LastValue last_value_;
  const FieldScaling* scaling_ = nullptr;
  std::vector<double> errors_;  // of each sample, and 1 where it is there
};

}  // namespace

std::optional<Logs> Evaluator::run(const DatasetPtr& dataset, int64_t batch_size, int workers, const Watch& watch,
                                   EvaluationDetails* details) {
  const Feed feed(model_, precision_, program_.targets, dataset->fields(), weight_field_);
  const size_t outputs = model_.outputs.size(), stride = outputs > 1 ? 2 : 1, first = outputs > 1 ? 2 : 1;
  std::optional<DetailGatherer> gatherer;
  if (details) {
    const bool class_numbers =
        outputs == 1 && program_.targets[0].shape.size() == predictions_[0].shape.size() - (losses_[0].loss.takes_classes() ? 1 : 0);
    gatherer.emplace(*details, LastValue(model_, metrics_, program_, predictions_, feed, *dataset), feed, *dataset, class_numbers);
  }
  LoaderOptions options;
  options.batch_size = batch_size;
  options.rank = communicator_.rank();
  options.world_size = communicator_.size();
  options.workers = workers;
  options.epochs = 1;
  BatchLoader loader(feed.convert(dataset), options);
  LogAccumulator logs(model_, metrics_, program_.targets, predictions_, target_scalings(feed, *dataset));
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
      const std::span<const Tensor> targets = std::span<const Tensor>(tensors).subspan(feed.inputs().size(), outputs);
      const std::vector<float> weights = program_.has_weights ? read_weights(tensors.back()) : std::vector<float>();
      const std::vector<std::optional<Tensor>> masks = read_masks(run, program_);
      logs.add(run.scalar_output(0), output_losses, targets, predictions, masks, weights, batch->count);
      if (gatherer) gatherer->add(*batch, targets, predictions, masks, weights);
    }
    if (watch) go_on = watch(done, loader.batches_per_epoch());
  }
  if (!go_on) return std::nullopt;
  logs.merge(communicator_);
  if (gatherer) gatherer->finish(communicator_);
  return logs.logs();
}

}  // namespace dl
