#include "train/trainer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <utility>

#include "base/log.h"
#include "dist/async_reducer.h"
#include "layers/initializers.h"
#include "spec/yaml.h"
#include "train/adapt.h"
#include "train/evaluator.h"
#include "train/model_file.h"
#include "train/progress.h"
#include "train/run_diff.h"
#include "train/run_folder.h"
#include "train/run_report.h"
#include "train/run_state.h"
#include "train/signals.h"

namespace dl {
namespace {

constexpr int64_t kMaxRollbacks = 3;
constexpr size_t kPictures = 16;
constexpr const char* kRememberedPrefix = "remembered/";

// Connects the executor's reductions to a communicator.
class RankCollectives final : public Collectives {
 public:
  explicit RankCollectives(Communicator& communicator) : size_(communicator.size()), reducer_(communicator) {}
  int size() const override { return size_; }
  void start_all_reduce(int ticket, void* data, size_t count, DType dtype, bool mean) override {
    reducer_.start(ticket, data, count, dtype, mean);
  }
  void wait(int ticket) override { reducer_.wait(ticket); }

 private:
  int size_;
  AsyncReducer reducer_;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool is_finite(const Tensor& t) {
  if (t.dtype() == DType::kFloat32) {
    float sum = 0;  // 0 * x is 0 for a finite x and NaN for any other
    for (float v : t.values<float>()) sum += 0.0f * v;
    return sum == 0;
  }
  if (!is_float(t.dtype())) return true;
  for (int64_t i = 0; i < t.size(); ++i)
    if (!std::isfinite(t.at(i))) return false;
  return true;
}

enum class StopCause { kNone, kSignal, kTimeLimit };

class Trainer {
 public:
  Trainer(const RunSpec& spec, const TrainRequest& request, Communicator& communicator)
      : spec_(spec),
        training_(spec.training),
        request_(request),
        communicator_(communicator),
        backend_(make_cpu_backend()),
        collectives_(communicator.size() > 1 ? std::make_unique<RankCollectives>(communicator) : nullptr),
        session_(*backend_, {.strict = spec.training.strict, .ranks = communicator.size()}, collectives_.get()),
        callbacks_(make_callbacks(spec)) {}

  TrainOutcome run() {
    load_resume_point();
    open();
    prepare_parameters();
    restore_state();
    open_folder();
    train_epochs();
    finish();
    return std::move(outcome_);
  }

 private:
  bool leader() const { return communicator_.rank() == 0; }

  // ---- preparation

  void load_resume_point() {
    if (request_.resume.empty()) return;
    if (request_.resume == "auto") {
      std::vector<std::string> warnings;
      const CheckpointFolder folder(spec_.output + "/checkpoints", 1);
      if (auto found = folder.load_latest(&warnings)) {
        resume_path_ = found->first;
        resumed_ = std::move(found->second);
      }
      if (leader())
        for (const std::string& w : warnings) log_warning(w);
    } else {
      resume_path_ = request_.resume;
      if (!std::filesystem::is_regular_file(resume_path_))
        throw UserError(fmt::format("--resume: {}: there is no such file; give a checkpoint (runs/NAME/checkpoints/step-*.ckpt.h5) or auto",
                                    resume_path_));
      resumed_ = read_checkpoint(resume_path_);
    }
    if (!resumed_) return;
    changes_ = describe_changes(resumed_->spec, spec_);
    state_ = run_state_from_json(resumed_->state, resume_path_);
  }

  void open() {
    Preprocessing learned;
    if (resumed_) {
      spec::Problems problems;
      learned = read_preprocessing(spec::parse_yaml(state_.preprocessing, resume_path_), "preprocessing", problems);
      problems.throw_if_any();
    }
    data_ = open_data(spec_.data, resumed_ ? &learned : nullptr);
    if (data_.train->size() == 0) throw FileError("data.train: no samples");
    if (leader())
      for (const std::string& note : data_.notes) log_info(note);
    learn();
    step_ = build_training_program(spec_.model, training_.losses, training_.optimizer,
                                   step_options(training_, communicator_.rank(), communicator_.size()));
    step_id_ = session_.add(step_.program);
    check_weights();
    check_stateful();
    const std::string& weights = training_.weights.field;
    feed_.emplace(spec_.model, training_.precision, step_.targets, data_.train->fields(), weights);
    evaluator_.emplace(spec_.model, training_.losses, training_.metrics, training_.precision, session_, communicator_, weights);
    std::vector<TensorType> predictions;
    for (const NamedValue& o : step_.program.outputs)
      if (o.name.rfind("prediction:", 0) == 0) {
        predictions.push_back(step_.program.graph.type(o.value));
        predictions.back().shape.at(0) = step_.targets.front().shape.at(0);  // micro-batches say 4*floor(batch/4)
      }
    // Numbers of groups need no score each.
    const bool scores = std::none_of(training_.losses.begin(), training_.losses.end(),
                                     [](const OutputLoss& l) { return l.loss.def && l.loss.def->target == LossTarget::kGroup; });
    if (scores) check_class_counts(*feed_, predictions, data_.train->fields());
    logs_.emplace(spec_.model, training_.metrics, step_.targets, predictions, target_scalings(*feed_, *data_.train));
    if (spec_.anomalies) open_scorer(predictions);
    LoaderOptions options;
    options.batch_size = training_.batch_size;
    options.seed = static_cast<uint64_t>(training_.seed);
    options.shuffle = spec_.data.shuffle;
    options.rank = communicator_.rank();
    options.world_size = communicator_.size();
    options.workers = spec_.data.workers;
    options.prefetch = spec_.data.prefetch;
    options.epochs = training_.epochs;
    options.drop_remainder = training_.microbatches > 0;
    options.training = true;
    loader_.emplace(feed_->convert(data_.train), options);
    if (loader_->batches_per_epoch() == 0)
      throw UserError(fmt::format("training.batch_size: {} is more than the {} training samples, and micro-batches need whole batches",
                                  training_.batch_size, data_.train->size()));
  }

  // Errors of normal data are those of rank 0 alone: a checkpoint needs the threshold, and only rank 0 writes it.
  void open_scorer(const std::vector<TensorType>& predictions) {
    const Shape &target = step_.targets.at(0).shape, &prediction = predictions.at(0).shape;
    int64_t given = 1, predicted = 1;
    for (size_t i = 1; i < target.size(); ++i) given *= target[i].known() ? target[i].value() : 1;
    for (size_t i = 1; i < prediction.size(); ++i) predicted *= prediction[i].known() ? prediction[i].value() : 1;
    const bool classes = !data_.train->fields()[feed_->targets()[0].field].classes.empty();
    if (predictions.size() != 1 || given != predicted || classes)
      throw UserError("anomalies: needs a model of one output that predicts the numbers of its target, such as an autoencoder");
    if (leader())
      scorer_.emplace(spec_.model, training_.losses, std::vector<std::vector<MetricSpec>>(), training_.precision, session_, *alone_);
  }

  double find_threshold() {
    EvaluationDetails details;
    details.want_errors = spec_.anomalies->error;
    const DatasetPtr& normal = data_.validation ? data_.validation : data_.train;
    scorer_->run(normal, training_.batch_size, spec_.data.workers, {}, &details);
    return anomaly_threshold(std::move(details.errors), *spec_.anomalies);
  }

  // What the model needs to know of the data before it can be built.
  void learn() {
    if (!resumed_) {
      const spec::Node learned = learn_layers(spec_, data_.train, *backend_);
      if (!learned.is_null()) state_.layers = spec::to_yaml(learned);
    }
    if (!state_.layers.empty()) set_learned_layers(spec_, state_.layers, resume_path_, /*in_tree=*/false);
  }

  void check_weights() const {
    const std::string& field = training_.weights.field;
    const auto& fields = data_.train->fields();
    if (field.empty() || std::any_of(fields.begin(), fields.end(), [&](const Field& f) { return f.name == field; })) return;
    std::string known;
    for (const Field& f : fields) known += (known.empty() ? "" : ", ") + f.name;
    throw UserError(
        fmt::format("training.sample_weight: the data has no field '{}'; it has {}; give it a column as a further y", field, known));
  }

  // Stateful layers have states for so many samples, so every batch has to have as many.
  void check_stateful() const {
    if (std::none_of(step_.program.parameters.begin(), step_.program.parameters.end(),
                     [](const Parameter& p) { return is_carried_state(p.name); }))
      return;
    const ModelInput& input = spec_.model.inputs.front();
    if (input.shape[0] != Dim(training_.batch_size))
      throw UserError(
          fmt::format("training.batch_size: is {}, but the model's stateful layers are made for batches of {} (input '{}'): give both "
                      "the same number",
                      training_.batch_size, to_string(input.shape[0]), input.name));
    const auto check = [&](const char* name, const DatasetPtr& part) {
      if (part && part->size() % training_.batch_size != 0)
        throw UserError(
            fmt::format("data.{}: has {} samples, and stateful layers need whole batches of {}: leave {} out, or change "
                        "training.batch_size and the batch_shape of the model",
                        name, part->size(), training_.batch_size, part->size() % training_.batch_size));
    };
    check("train", data_.train);
    check("validation", data_.validation);
    check("test", data_.test);
    if (leader() && spec_.data.shuffle)
      log_warning("data.shuffle is on, so stateful layers carry states between samples that do not follow each other; set it to false");
  }

  void reset_states() {
    ParameterStore& store = session_.parameters();
    for (const Parameter& p : step_.program.parameters)
      if (is_carried_state(p.name)) store.set(p.name, Tensor(store.dtype(p.name), store.dims(p.name)));
  }

  void prepare_parameters() {
    ParameterStore& store = session_.parameters();
    for (const Parameter& p : step_.program.parameters)
      store.set(p.name, initial_value(step_.program, p, static_cast<uint64_t>(training_.seed)));
    if (resumed_) {
      for (const Parameter& p : step_.program.parameters) set_saved(p.name, resumed_->parameters, resume_path_);
      return;
    }
    if (spec_.start) load_start();
    if (!training_.initial_weights.empty()) load_initial_weights();
    adapt_layers(spec_, data_.train, *backend_, store);
  }

  void set_saved(const std::string& name, const std::map<std::string, Tensor>& saved, const std::string& origin) {
    const auto it = saved.find(name);
    ParameterStore& store = session_.parameters();
    if (it == saved.end())
      throw UserError(
          fmt::format("{}: has no '{}', so it belongs to another model or optimizer; start anew without --resume", origin, name));
    if (it->second.dims() != store.dims(name) || it->second.dtype() != store.dtype(name))
      throw UserError(fmt::format("{}: '{}' is {}{}, the model has {}{}; start anew without --resume", origin, name,
                                  name_of(it->second.dtype()), to_string(std::span<const int64_t>(it->second.dims())),
                                  name_of(store.dtype(name)), to_string(std::span<const int64_t>(store.dims(name)))));
    store.set(name, it->second);
  }

  // Weights from the file that `model` names, and the optimizer's state where all of it is there.
  void load_start() {
    const StartState& start = *spec_.start;
    ParameterStore& store = session_.parameters();
    for (const auto& [name, weight] : select_weights(spec_.model, training_.precision, start.weights, start.origin))
      store.set(name, weight);
    std::vector<std::string> rest;
    for (const Parameter& p : step_.program.parameters)
      if (!start.weights.contains(p.name) && !is_carried_state(p.name)) rest.push_back(p.name);
    const bool fits = std::all_of(rest.begin(), rest.end(), [&](const std::string& name) {
      const auto found = start.slots.find(name);
      return found != start.slots.end() && found->second.dims() == store.dims(name);
    });
    if (!fits) {
      if (leader() && !start.slots.empty())
        log_warning(fmt::format("{}: its optimizer state does not fit; the optimizer starts anew", start.origin));
      return;
    }
    for (const std::string& name : rest) store.set(name, start.slots.at(name).cast(store.dtype(name)));
    state_.step = start.slots.contains("step") ? static_cast<int64_t>(start.slots.at("step").at(0)) : 0;
    if (leader()) log_info(fmt::format("training goes on from {} (optimizer step {})", start.origin, state_.step));
  }

  void load_initial_weights() {
    const std::string& path = training_.initial_weights;
    if (!training_.skip_mismatch) {
      for (const auto& [name, weight] : select_weights(spec_.model, training_.precision, read_weights(path), path))
        session_.parameters().set(name, weight);
      return;
    }
    const MatchingWeights found = matching_weights(spec_.model, training_.precision, read_weights(path));
    if (found.weights.empty())
      throw UserError(
          fmt::format("training.initial_weights: {}: none of its arrays has the name and shape of a weight of the model", path));
    for (const auto& [name, weight] : found.weights) session_.parameters().set(name, weight);
    if (leader())
      log_info(fmt::format("{}: {} weights taken{}{}", path, found.weights.size(),
                           found.fresh.empty() ? "" : "; initialised anew: ", fmt::join(found.fresh, ", ")));
  }

  void restore_state() {
    if (!resumed_) {
      state_.preprocessing = spec::to_yaml(to_node(data_.preprocessing));
      return;
    }
    if (leader()) {
      log_info(state_.epoch < training_.epochs
                   ? fmt::format("resuming from {} (epoch {}, step {})", resume_path_, state_.epoch + 1, state_.step)
                   : fmt::format("{} has all {} epochs; a larger training.epochs goes on", resume_path_, training_.epochs));
      for (const std::string& change : changes_) log_info("changed since: " + change);
    }
    if (state_.callbacks.size() == callbacks_.size()) {
      for (size_t i = 0; i < callbacks_.size(); ++i) callbacks_[i]->from_json(state_.callbacks[i]);
    } else if (leader()) {
      log_warning("the callbacks are others than before; they start anew");
    }
    if (state_.averages_in_model != averages_in_model()) swap_averages();  // nobody is left who would
    restore_sums();
    for (const auto& [name, tensor] : resumed_->parameters)
      if (name.rfind(kRememberedPrefix, 0) == 0) remembered_[name.substr(std::string_view(kRememberedPrefix).size())] = tensor;
    resumed_->parameters.clear();
    if (state_.epoch < training_.epochs) {  // a larger number of epochs takes a stopped run on
      state_.stopped = false;
      state_.stop_reason.clear();
    }
  }

  // The sums of an epoch that was cut are those of all ranks: rank 0 goes on with them, the others from zero.
  void restore_sums() {
    if (state_.sums.empty()) return;
    logs_->reset();
    if (state_.sums.size() != logs_->state().size()) {
      if (leader()) log_warning(fmt::format("the metrics are others than before; those of epoch {} count from here on", state_.epoch + 1));
    } else if (leader()) {
      logs_->set_state(state_.sums);
    }
  }

  void open_folder() {
    if (!leader()) return;
    int64_t keep = training_.checkpoints.keep;
    for (const auto& c : callbacks_)
      if (const std::optional<int> k = c->keep()) keep = *k;
    folder_.emplace(spec_.output, keep);
    other_best_ = !resumed_;
    std::optional<ResumePoint> resume;
    if (resumed_) resume = ResumePoint{static_cast<int64_t>(state_.history.epochs.size()), state_.step};
    folder_->open_logs(spec::to_yaml(self_contained(spec_)), resume);
    progress_.emplace(progress_options_for_stderr(request_.quiet), training_.epochs);
    set_before_log([this] { progress_->clear(); });
  }

  // ---- the loop

  void train_epochs() {
    start_ = last_save_ = std::chrono::steady_clock::now();
    SignalWatch watch;
    while (state_.epoch < training_.epochs && !state_.stopped) {
      if (!train_epoch()) return;
    }
    if (leader() && state_.step == last_saved_step_) return;
    save("the end of the run", /*must=*/true);
  }

  // False when the run was interrupted.
  bool train_epoch() {
    const auto epoch_start = std::chrono::steady_clock::now();
    const double waited_before = loader_->wait_seconds();
    const int64_t first_batch = state_.batch;
    if (state_.batch == 0) logs_->reset();
    if (state_.batch == 0) begin_epoch();
    if (state_.batch > 0) learning_rate_ = learning_rate_at(state_.step - 1);  // a cut epoch may have no batch left
    loader_->seek(state_.epoch, state_.batch);
    if (progress_) progress_->start_epoch(state_.epoch, loader_->batches_per_epoch(), first_batch);
    epoch_samples_ = 0;
    while (std::optional<Batch> batch = loader_->next()) {
      const bool counted = train_batch(*batch);
      if (rolled_back_) {  // the position has changed
        rolled_back_ = false;
        return true;
      }
      ++state_.batch;
      if (counted) show_progress(loader_->wait_seconds() - waited_before);
      CallbackDecision decision = step_decisions();
      const StopCause cause = stop_cause();
      if (cause != StopCause::kNone) {
        interrupt(cause);
        return false;
      }
      if (decision.save_best) save_best();  // first, since the checkpoint remembers that the best is on disk
      if (save_is_due() || decision.save) save("step");
      if (decision.stop) {
        end_early(decision);
        break;
      }
    }
    end_epoch(epoch_start, loader_->wait_seconds() - waited_before);
    return true;
  }

  void begin_epoch() {
    if (training_.reset_states) reset_states();
    for (const auto& c : callbacks_) {
      const CallbackDecision decision = c->on_epoch_begin(state_.epoch, state_.learning_rate.value_or(training_.schedule.at(iteration())));
      if (decision.learning_rate) state_.learning_rate = decision.learning_rate;
      apply(decision);
    }
  }

  // What is done at once wherever it is said.
  void apply(const CallbackDecision& decision) {
    if (decision.swap_averages) swap_averages();
    if (leader())
      for (const std::string& message : decision.messages) log_info(message);
  }

  double learning_rate_at(int64_t step) const {
    return state_.learning_rate.value_or(training_.schedule.at(step)) * state_.learning_rate_factor;
  }

  // Batches that count for the schedule: a dynamic loss scale leaves some out.
  int64_t iteration() {
    if (!training_.optimizer.loss_scale) return state_.step;
    return static_cast<int64_t>(session_.parameters().get(kLossScaleIterationName).at(0));
  }

  // The samples that all ranks have of a batch, after unreadable ones were left out; 0 when some rank has none, or when
  // micro-batches, which need whole batches, lack one. All ranks get the same answer.
  int64_t usable_samples(const Batch& batch) {
    const bool whole = training_.microbatches == 0 || batch.count == batch.wanted;
    double counts[2] = {static_cast<double>(batch.count), batch.count == 0 || !whole ? 1.0 : 0.0};
    if (communicator_.size() > 1) communicator_.all_reduce(counts, 2, DType::kFloat64, /*mean=*/false);
    return counts[1] > 0 ? 0 : static_cast<int64_t>(counts[0]);
  }

  // Runs one step; false when the batch was too small to give every rank a sample.
  bool train_batch(const Batch& batch) {
    const int64_t samples = usable_samples(batch);
    if (samples == 0) {
      if (leader() && batch.global_count >= communicator_.size())
        log_warning(fmt::format("epoch {}, batch {}: left out, too few of its samples can be read", state_.epoch + 1, batch.index + 1));
      return false;
    }
    tensors_.clear();
    feed_->tensors(batch, tensors_);
    const size_t targets_begin = feed_->inputs().size(), targets_end = targets_begin + feed_->targets().size();
    learning_rate_ = learning_rate_at(iteration());
    tensors_.push_back(scalar_tensor(learning_rate_));
    for (const Schedule& schedule : training_.rule_schedules)
      tensors_.push_back(scalar_tensor(schedule.at(iteration()) * state_.learning_rate_factor));
    if (step_.has_share)
      tensors_.push_back(scalar_tensor(static_cast<double>(batch.count) * communicator_.size() / static_cast<double>(samples)));
    const Executable& run = session_.run(step_id_, tensors_);
    const double loss = run.scalar_output(0);
    ++state_.step;
    epoch_samples_ += samples;
    step_loss_ = loss;
    if (!std::isfinite(loss)) return handle_nonfinite(loss);
    const size_t outputs = spec_.model.outputs.size(), stride = outputs > 1 ? 2 : 1, first = outputs > 1 ? 2 : 1;
    std::vector<double> output_losses;
    if (outputs > 1)
      for (size_t o = 0; o < outputs; ++o) output_losses.push_back(run.scalar_output(1 + 2 * o));
    const std::vector<Tensor> predictions = read_predictions(run, first, stride, outputs);
    const std::vector<float> weights = step_.has_weights ? read_weights(tensors_[targets_end]) : std::vector<float>();
    logs_->add(loss, output_losses, std::span<const Tensor>(tensors_).subspan(targets_begin, targets_end - targets_begin), predictions,
               read_masks(run, step_), weights, batch.count);
    if (training_.log_steps && leader()) write_log([&] { folder_->write_step({state_.step, state_.epoch, {{"loss", loss}}}); });
    return true;
  }

  Tensor scalar_tensor(double value) const {
    Tensor t(training_.precision.variable, {});
    t.set(0, value);
    return t;
  }

  bool handle_nonfinite(double loss) {
    const std::string what = fmt::format("epoch {}, step {}: the loss is {}", state_.epoch + 1, state_.step, loss);
    if (training_.on_nan == NanPolicy::kSkip) {
      ++state_.skipped_steps;
      if (leader()) log_warning(what + "; the step was skipped");
      return false;
    }
    if (training_.on_nan == NanPolicy::kRollback && state_.rollbacks < kMaxRollbacks) {
      roll_back(what);
      return false;
    }
    throw NumericError(what + "; the last good checkpoint is kept; lower the learning rate, clip gradients, or set training.on_nan");
  }

  // Back to the last checkpoint with half the learning rate.
  void roll_back(const std::string& what) {
    const int64_t rollbacks = state_.rollbacks + 1;
    const double factor = state_.learning_rate_factor / 2;
    std::vector<std::string> warnings;
    const CheckpointFolder folder(spec_.output + "/checkpoints", 1);
    auto saved = folder.load_latest(&warnings);
    if (!saved) throw NumericError(what + ", and there is no checkpoint to go back to");
    state_ = run_state_from_json(saved->second.state, saved->first);
    state_.rollbacks = rollbacks;
    state_.learning_rate_factor = factor;
    for (const Parameter& p : step_.program.parameters) set_saved(p.name, saved->second.parameters, saved->first);
    if (state_.callbacks.size() == callbacks_.size())
      for (size_t i = 0; i < callbacks_.size(); ++i) callbacks_[i]->from_json(state_.callbacks[i]);
    restore_sums();
    rolled_back_ = true;
    if (leader()) {
      log_warning(fmt::format("{}; back to {} with the learning rate times {}", what, saved->first, factor));
      folder_->open_logs(spec::to_yaml(self_contained(spec_)),
                         ResumePoint{static_cast<int64_t>(state_.history.epochs.size()), state_.step});
    }
  }

  void show_progress(double waited) {
    if (!progress_ || !progress_->due()) return;
    BatchProgress now;
    now.batch = state_.batch;
    now.samples = epoch_samples_;
    now.data_wait_seconds = waited;
    now.logs = logs_->logs();
    progress_->update(now);
  }

  CallbackDecision step_decisions() {
    CallbackDecision decision;
    const Logs logs = {{"loss", step_loss_}};
    double seconds = seconds_since(start_);  // rank 0's, so that all ranks decide alike
    if (communicator_.size() > 1) communicator_.broadcast(&seconds, sizeof seconds);
    for (const auto& c : callbacks_) decision.merge(c->on_step_end(state_.step, logs, seconds));
    return decision;
  }

  // All ranks see the same answer.
  StopCause stop_cause() {
    double cause = 0;
    if (SignalWatch::received() != 0)
      cause = 1;
    else if (request_.max_time_seconds && seconds_since(start_) >= *request_.max_time_seconds)
      cause = 2;
    if (communicator_.size() > 1) communicator_.broadcast(&cause, sizeof cause);
    return cause == 1 ? StopCause::kSignal : cause == 2 ? StopCause::kTimeLimit : StopCause::kNone;
  }

  bool save_is_due() {
    const CheckpointPolicy& policy = training_.checkpoints;
    double due =
        (policy.steps > 0 && state_.step % policy.steps == 0) || (policy.seconds > 0 && seconds_since(last_save_) >= policy.seconds);
    if (communicator_.size() > 1) communicator_.broadcast(&due, sizeof due);
    return due != 0;
  }

  void interrupt(StopCause cause) {
    outcome_.interrupted = true;
    outcome_.stop_reason = cause == StopCause::kSignal ? fmt::format("signal {}", SignalWatch::received()) : "time limit";
    save(outcome_.stop_reason, true);
    if (leader())
      log_info(fmt::format("stopped by {} after saving {} (epoch {}, step {}); run the same command with --resume auto to go on",
                           outcome_.stop_reason, outcome_.checkpoint, state_.epoch + 1, state_.step));
  }

  void end_early(const CallbackDecision& decision) {
    if (decision.numeric_failure) throw NumericError(decision.reason);
    state_.stopped = true;
    state_.stop_reason = decision.reason;
  }

  void end_epoch(std::chrono::steady_clock::time_point epoch_start, double waited) {
    logs_->merge(communicator_);
    EpochRecord record;
    record.epoch = state_.epoch;
    record.step = state_.step;
    record.logs = logs_->logs();
    const double training_seconds = seconds_since(epoch_start);
    record.samples_per_second = static_cast<double>(epoch_samples_) / std::max(training_seconds, 1e-9);
    record.data_wait_seconds = waited;
    record.learning_rate = learning_rate_;
    if (data_.validation && !validate(record)) return;
    record.seconds = seconds_since(epoch_start);
    CallbackDecision decision;
    for (const auto& c : callbacks_) decision.merge(c->on_epoch_end(state_.epoch, record.logs, learning_rate_));
    if (decision.learning_rate) state_.learning_rate = decision.learning_rate;
    if (decision.swap_averages) swap_averages();
    state_.history.epochs.push_back(record);
    ++state_.epoch;
    state_.batch = 0;
    state_.sums.clear();
    if (leader()) {
      write_log([&] { write_histograms(record.epoch); });
      write_log([&] { folder_->write_epoch(record); });
      if (progress_) progress_->end_epoch(record);
      for (const std::string& message : decision.messages) log_info(message);
    }
    if (decision.remember_weights) remember_weights();
    if (decision.save_best) state_.best_epoch = record.epoch;
    if (decision.stop) end_early(decision);
    if (decision.save_best) save_best();  // first, since the checkpoint remembers that the best is on disk
    const CheckpointPolicy& policy = training_.checkpoints;
    const bool last = state_.epoch == training_.epochs || state_.stopped;
    if (last) {
      take_averages();
      end_callbacks();
    }
    if (decision.save || last || (policy.epochs > 0 && state_.epoch % policy.epochs == 0)) save("epoch");
  }

  void write_histograms(int64_t epoch) {
    bool wanted = false, pictures = false;
    for (const auto& c : callbacks_) {
      if (c->histograms_every() == 0 || epoch % c->histograms_every() != 0) continue;
      wanted = true;
      pictures = pictures || c->writes_pictures();
    }
    if (!wanted) return;
    for (const Parameter& p : evaluator_->program().program.parameters)
      if (!is_carried_state(p.name)) folder_->write_weight(epoch, p.name, session_.parameters().get(p.name), pictures);
  }

  // Adds val_ logs; false when a signal came meanwhile: the epoch is then not counted and the loop sees the signal next.
  bool validate(EpochRecord& record) {
    const auto watch = [&](int64_t done, int64_t total) {
      if (progress_) progress_->update_validation(done, total);
      return true;
    };
    if (training_.reset_states) reset_states();
    for (const auto& c : callbacks_) apply(c->on_validation_begin());
    const std::optional<Logs> logs = evaluator_->run(data_.validation, training_.batch_size, spec_.data.workers, watch);
    for (const auto& c : callbacks_) apply(c->on_validation_end());
    for (const auto& [name, value] : *logs) record.logs.emplace_back("val_" + name, value);
    return true;
  }

  void remember_weights() {
    for (const Parameter& p : evaluator_->program().program.parameters)
      if (!is_carried_state(p.name)) remembered_[p.name] = session_.parameters().get(p.name);
  }

  // use_ema: training ends with the moving averages as the weights.
  void take_averages() {
    if (!keeps_averages(training_.optimizer)) return;
    const bool there = averages_in_model();
    for_each_average([there](Tensor& weight, Tensor& average) { there ? average = weight.clone() : weight = average.clone(); });
  }

  bool averages_in_model() const {
    return std::any_of(callbacks_.begin(), callbacks_.end(), [](const auto& c) { return c->averages_in_model(); });
  }

  void swap_averages() {
    for_each_average([](Tensor& weight, Tensor& average) { std::swap(weight, average); });
  }

  template <class Change>
  void for_each_average(Change change) {
    ParameterStore& store = session_.parameters();
    const std::string suffix = std::string("/") + kAverageSlot;
    for (const Parameter& p : step_.program.parameters) {
      if (!p.name.ends_with(suffix)) continue;
      const std::string name = p.name.substr(0, p.name.size() - suffix.size());
      Tensor weight = store.get(name), average = store.get(p.name);
      change(weight, average);
      store.set(name, weight);
      store.set(p.name, average);
    }
  }

  void end_callbacks() {
    CallbackDecision decision;
    for (const auto& c : callbacks_) decision.merge(c->on_train_end());
    if (decision.restore_weights) restore_weights();
    if (!leader()) return;
    for (const std::string& message : decision.messages) log_info(message);
  }

  void restore_weights() {
    for (const auto& [name, value] : remembered_) session_.parameters().set(name, value);
  }

  // ---- saving

  Checkpoint make_checkpoint() {
    Checkpoint c;
    c.spec = spec::to_yaml(self_contained(spec_));
    for (const Parameter& p : step_.program.parameters) c.parameters[p.name] = session_.parameters().get(p.name);
    for (const auto& [name, value] : remembered_) c.parameters[kRememberedPrefix + name] = value;
    state_.callbacks.clear();
    for (const auto& callback : callbacks_) state_.callbacks.push_back(callback->to_json());
    state_.averages_in_model = averages_in_model();
    if (state_.batch > 0) state_.sums = logs_->state();
    if (scorer_) state_.anomaly_threshold = find_threshold();
    c.state = to_json(state_);
    for (const auto& [name, value] : request_.facts) c.facts[name] = value;
    return c;
  }

  // The disk policy for the logs: a line that cannot be written costs no training, and one warning until lines go through again.
  template <class Write>
  void write_log(Write write) {
    try {
      write();
      log_failed_ = false;
    } catch (const EnvError& e) {
      if (training_.checkpoints.stop_on_error) throw;
      if (!std::exchange(log_failed_, true)) log_warning(fmt::format("{}; training goes on, the log has a gap", e.what()));
    }
  }

  // Weights that are not finite never replace good ones.
  void check_finite(const Checkpoint& c) const {
    for (const auto& [name, value] : c.parameters)
      if (!is_finite(value))
        throw NumericError(fmt::format(
            "epoch {}, step {}: '{}' is no longer finite; the last good checkpoint is kept; lower the learning rate or clip gradients",
            state_.epoch + 1, state_.step, name));
  }

  void merge_partial_sums() {
    // Mid-epoch sums belong to each rank; a checkpoint of rank 0 holds the sums of all and resumes with them on rank 0.
    if (communicator_.size() == 1 || state_.batch == 0) return;
    logs_->merge(communicator_);
    if (!leader()) logs_->reset();
  }

  void save(const std::string& why, bool must = false) {
    merge_partial_sums();
    last_save_ = std::chrono::steady_clock::now();
    if (!leader()) return;
    if (state_.step == last_saved_step_ && state_.batch == 0 && why != "epoch") return;
    const Checkpoint c = make_checkpoint();
    check_finite(c);
    try {
      folder_->sync();
      outcome_.checkpoint = folder_->checkpoints().save(state_.step, c);
      last_saved_step_ = state_.step;
      std::error_code ignored;
      if (std::exchange(other_best_, false)) std::filesystem::remove(folder_->checkpoints().best_path(), ignored);
    } catch (const EnvError& e) {
      if (must || training_.checkpoints.stop_on_error) throw;
      log_warning(fmt::format("{}; training goes on, the last good checkpoint is kept", e.what()));
    }
  }

  void save_best() {
    if (!leader()) return;
    const Checkpoint c = make_checkpoint();
    check_finite(c);
    try {
      outcome_.best_checkpoint = folder_->checkpoints().save_best(c);
      other_best_ = false;
    } catch (const EnvError& e) {
      if (training_.checkpoints.stop_on_error) throw;
      log_warning(fmt::format("{}; training goes on", e.what()));
    }
  }

  // ---- the end

  void finish() {
    outcome_.seconds = seconds_since(start_);
    outcome_.epochs = state_.epoch;
    outcome_.steps = state_.step;
    if (!state_.stop_reason.empty()) outcome_.stop_reason = state_.stop_reason;
    if (!state_.history.epochs.empty()) outcome_.logs = state_.history.epochs.back().logs;
    std::optional<EndEvaluation> end;
    if (!outcome_.interrupted) end = evaluate_end();
    progress_.reset();
    set_before_log({});
    if (!leader()) return;
    outcome_.best_checkpoint = std::filesystem::exists(folder_->checkpoints().best_path()) ? folder_->checkpoints().best_path() : "";
    write_report(folder_->report_path(), make_report(spec_, state_, request_.facts, outcome_, end));
    outcome_.report = folder_->report_path();
  }

  std::optional<EndEvaluation> evaluate_end() {
    const DatasetPtr& dataset = data_.test ? data_.test : data_.validation;
    if (!dataset) return {};
    EndEvaluation end;
    end.data_name = data_.test ? "test" : "validation";
    if (spec_.anomalies) end.details.want_errors = spec_.anomalies->error;
    const Field& target = data_.train->fields()[feed_->targets()[0].field];
    if (spec_.data.reconstruct && is_picture(target.dims)) end.details.want_pictures = kPictures;
    reset_states();  // as where `eval` loads the model
    end.logs = *evaluator_->run(dataset, training_.batch_size, spec_.data.workers, {}, &end.details);
    if (leader() && spec_.anomalies) {
      end.anomalies = find_anomalies(*dataset, end.details.errors, state_.anomaly_threshold.value_or(NAN));
      end.anomalies->data_name = end.data_name;
      for (const auto& log : end.anomalies->logs()) end.logs.push_back(log);
    }
    if (!data_.test) return end;
    for (const auto& [key, value] : end.logs) outcome_.logs.emplace_back("test_" + key, value);
    for (const auto& [key, value] : end.details.last_value) outcome_.logs.emplace_back("test_last_value_" + key, value);
    return end;
  }

  RunSpec spec_;  // with the model that layers have learned for; its tree is the user's
  const TrainingSpec& training_;
  const std::unique_ptr<Communicator> alone_ = make_single_communicator();
  const TrainRequest& request_;
  Communicator& communicator_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<RankCollectives> collectives_;
  Session session_;
  std::vector<std::unique_ptr<Callback>> callbacks_;

  Data data_;
  TrainingProgram step_;
  size_t step_id_ = 0;
  std::optional<Feed> feed_;
  std::optional<Evaluator> evaluator_, scorer_;  // the second: of anomalies, on rank 0
  std::optional<LogAccumulator> logs_;
  std::optional<BatchLoader> loader_;
  std::optional<RunFolder> folder_;
  std::optional<Progress> progress_;

  std::string resume_path_;
  std::optional<Checkpoint> resumed_;
  std::vector<std::string> changes_;  // of the run file since then
  RunState state_;
  std::map<std::string, Tensor> remembered_;
  TrainOutcome outcome_;
  std::vector<Tensor> tensors_;
  std::chrono::steady_clock::time_point start_, last_save_;
  int64_t epoch_samples_ = 0, last_saved_step_ = -1;
  double learning_rate_ = 0, step_loss_ = 0;
  bool rolled_back_ = false, log_failed_ = false;
  bool other_best_ = false;  // best.ckpt.h5 belongs to the run that was in the folder before; it goes once this run has saved
};

}  // namespace

TrainOutcome train(const RunSpec& spec, const TrainRequest& request, Communicator& communicator) {
  return Trainer(spec, request, communicator).run();
}

}  // namespace dl
