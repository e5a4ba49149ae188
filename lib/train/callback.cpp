#include "train/callback.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace dl {

#define DL_CALLBACK(name) extern const CallbackDef callback_##name;
#include "train/callbacks.def"
#undef DL_CALLBACK

namespace {

using Json = nlohmann::json;

// A number as text, since JSON has neither NaN nor infinity; shortest form that reads back to the same bits.
Json number_to_json(std::optional<double> value) { return value ? Json(fmt::format("{}", *value)) : Json(nullptr); }

std::optional<double> number_from_json(const Json& json) {
  if (json.is_null()) return std::nullopt;
  const std::string text = json.get<std::string>();
  if (text == "nan" || text == "-nan") return std::nan("");
  if (text == "inf" || text == "-inf") return text == "inf" ? INFINITY : -INFINITY;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) throw FileError(fmt::format("'{}' is no number", text));
  return value;
}

// Runs `read` on the parsed object; anything that does not fit is a damaged state.
template <class Read>
void read_state(const Callback& callback, std::string_view text, const Read& read) {
  try {
    const Json json = Json::parse(text);
    read(json);
  } catch (const Json::exception& error) {
    throw FileError(fmt::format("the saved state of {} does not read: {}", callback.def().class_name, error.what()));
  } catch (FileError& error) {
    error.add_context(fmt::format("the saved state of {} does not read", callback.def().class_name));
    throw;
  }
}

// A log that is watched, and what counts as better. Keras compares in float32.
class Monitor {
 public:
  Monitor(std::string name, Direction direction, double min_delta = 0)
      : name_(std::move(name)), up_(direction == Direction::kUp), min_delta_(std::abs(min_delta)) {}

  const std::string& name() const { return name_; }
  bool improves(double value, std::optional<double> reference) const {
    if (!reference) return true;
    const float now = static_cast<float>(up_ ? value - min_delta_ : value + min_delta_), before = static_cast<float>(*reference);
    return up_ ? now > before : now < before;
  }
  // The value in `logs`; where it is missing, one warning (Keras: one per epoch).
  std::optional<double> find(const Logs& logs, const char* class_name, const char* consequence, CallbackDecision& decision) {
    const std::optional<double> value = find_log(logs, name_);
    if (!value && !warned_) {
      warned_ = true;
      std::vector<std::string> names;
      for (const auto& [name, ignored] : logs) names.push_back(name);
      decision.messages.push_back(
          fmt::format("{}: '{}' is not in the logs of this epoch ({}), {}", class_name, name_, fmt::join(names, ", "), consequence));
    }
    return value;
  }

 private:
  std::string name_;
  bool up_;
  double min_delta_;
  bool warned_ = false;
};

// The monitor of a config, or nullopt after a report.
std::optional<Monitor> read_monitor(const Config& config, spec::Reader& reader, const CallbackContext& context) {
  const std::string name = config.text("monitor");
  const bool validation = name.starts_with("val_");
  const std::string_view base = std::string_view(name).substr(validation ? 4 : 0);
  const auto known = std::find_if(context.logs.begin(), context.logs.end(), [&](const KnownLog& log) { return log.name == base; });
  if (known == context.logs.end()) {
    std::vector<std::string> names;
    for (const KnownLog& log : context.logs) names.push_back(log.name);
    if (context.has_validation) {
      for (const KnownLog& log : context.logs) names.push_back("val_" + log.name);
    }
    const std::vector<std::string_view> views(names.begin(), names.end());
    reader.report("monitor", fmt::format("is '{}', which this run does not log{}", name, spec::suggestion(name, views)));
    return std::nullopt;
  }
  if (validation && !context.has_validation) {
    reader.report("monitor",
                  fmt::format("is '{}', but the run has no validation data: add data.validation, or set monitor to '{}'", name, base));
    return std::nullopt;
  }
  const std::string mode = config.text("mode");
  const Direction direction = mode == "auto" ? known->direction : mode == "max" ? Direction::kUp : Direction::kDown;
  const double min_delta = config.has("min_delta") ? config.real("min_delta") : 0;
  return Monitor(name, direction, min_delta);
}

std::optional<double> optional_real(const Config& config, std::string_view key) {
  return config.given(key) ? std::optional(config.real(key)) : std::nullopt;
}

std::string epochs_text(int64_t count) { return fmt::format("{} epoch{}", count, count == 1 ? "" : "s"); }

class EarlyStopping : public Callback {
 public:
  EarlyStopping(Monitor monitor, const Config& config)
      : Callback(&callback_early_stopping),
        monitor_(std::move(monitor)),
        patience_(config.integer("patience")),
        start_from_epoch_(config.integer("start_from_epoch")),
        baseline_(optional_real(config, "baseline")),
        restore_(config.flag("restore_best_weights")) {}

  CallbackDecision on_epoch_end(int64_t epoch, const Logs& logs, double) override {
    CallbackDecision decision;
    const std::optional<double> current = monitor_.find(logs, def().class_name, "so it cannot stop the training", decision);
    if (!current || epoch < start_from_epoch_) return decision;
    if (restore_ && !remembered_) remember(epoch, decision);
    ++wait_;
    if (monitor_.improves(*current, best_)) {
      best_ = current;
      best_epoch_ = epoch;
      if (restore_) remember(epoch, decision);
      if (!baseline_ || monitor_.improves(*current, baseline_)) wait_ = 0;
    } else if (wait_ >= patience_ && epoch > 0) {
      decision.stop = true;
      decision.reason = fmt::format("{} did not improve for {} (best {:.6g} in epoch {})", monitor_.name(), epochs_text(wait_),
                                    best_.value_or(std::nan("")), best_epoch_ + 1);
    }
    return decision;
  }

  CallbackDecision on_train_end() override {
    CallbackDecision decision;
    if (!restore_ || !remembered_) return decision;
    decision.restore_weights = true;
    decision.messages.push_back(fmt::format("EarlyStopping: the weights of epoch {} are put back", best_epoch_ + 1));
    return decision;
  }

  std::string to_json() const override {
    return Json{{"best", number_to_json(best_)}, {"best_epoch", best_epoch_}, {"wait", wait_}, {"remembered", remembered_}}.dump();
  }
  void from_json(std::string_view text) override {
    read_state(*this, text, [&](const Json& json) {
      best_ = number_from_json(json.at("best"));
      best_epoch_ = json.at("best_epoch").get<int64_t>();
      wait_ = json.at("wait").get<int64_t>();
      remembered_ = json.at("remembered").get<bool>();
    });
  }

 private:
  void remember(int64_t epoch, CallbackDecision& decision) {
    remembered_ = decision.remember_weights = true;
    best_epoch_ = epoch;
  }

  Monitor monitor_;
  int64_t patience_, start_from_epoch_;
  std::optional<double> baseline_;
  bool restore_;
  std::optional<double> best_;
  int64_t best_epoch_ = 0, wait_ = 0;
  bool remembered_ = false;
};

class ReduceLROnPlateau : public Callback {
 public:
  ReduceLROnPlateau(Monitor monitor, const Config& config)
      : Callback(&callback_reduce_lr_on_plateau),
        monitor_(std::move(monitor)),
        factor_(config.real("factor")),
        min_rate_(config.real("min_lr")),
        patience_(config.integer("patience")),
        cooldown_(config.integer("cooldown")) {}

  CallbackDecision on_epoch_end(int64_t, const Logs& logs, double learning_rate) override {
    CallbackDecision decision;
    const std::optional<double> current = monitor_.find(logs, def().class_name, "so the learning rate stays", decision);
    if (!current) return decision;
    if (cooling_ > 0) {
      --cooling_;
      wait_ = 0;
    }
    if (monitor_.improves(*current, best_)) {
      best_ = current;
      wait_ = 0;
    } else if (cooling_ == 0 && ++wait_ >= patience_) {
      reduce(learning_rate, decision);
    }
    return decision;
  }

  std::string to_json() const override { return Json{{"best", number_to_json(best_)}, {"wait", wait_}, {"cooling", cooling_}}.dump(); }
  void from_json(std::string_view text) override {
    read_state(*this, text, [&](const Json& json) {
      best_ = number_from_json(json.at("best"));
      wait_ = json.at("wait").get<int64_t>();
      cooling_ = json.at("cooling").get<int64_t>();
    });
  }

 private:
  void reduce(double learning_rate, CallbackDecision& decision) {
    // Keras holds the rate as float32.
    const double old_rate = static_cast<float>(learning_rate);
    if (!(old_rate > static_cast<float>(min_rate_))) return;
    decision.learning_rate = std::max(old_rate * factor_, min_rate_);
    decision.messages.push_back(fmt::format("ReduceLROnPlateau: {} did not improve for {}, learning rate is now {:.6g}", monitor_.name(),
                                            epochs_text(wait_), *decision.learning_rate));
    cooling_ = cooldown_;
    wait_ = 0;
  }

  Monitor monitor_;
  double factor_, min_rate_;
  int64_t patience_, cooldown_;
  std::optional<double> best_;
  int64_t wait_ = 0, cooling_ = 0;
};

class ModelCheckpoint : public Callback {
 public:
  // Without a monitor there is no best, and every save is an ordinary one.
  ModelCheckpoint(std::optional<Monitor> monitor, const Config& config)
      : Callback(&callback_model_checkpoint),
        monitor_(std::move(monitor)),
        best_only_(config.flag("save_best_only")),
        every_steps_(config.node("save_freq").kind() == spec::Kind::kInt ? config.integer("save_freq") : 0),
        every_seconds_(config.given("every_seconds") ? config.real("every_seconds") : 0),
        keep_(static_cast<int>(config.integer("keep"))),
        best_(optional_real(config, "initial_value_threshold")) {}

  std::string chooses_best_by() const override { return monitor_ ? monitor_->name() : ""; }

  CallbackDecision on_step_end(int64_t, const Logs& logs, double seconds) override {
    CallbackDecision decision;
    if (!last_seconds_) last_seconds_ = seconds;
    ++steps_;
    const bool steps_due = every_steps_ > 0 && steps_ >= every_steps_;
    const bool time_due = every_seconds_ > 0 && seconds - *last_seconds_ >= every_seconds_;
    if (steps_due) {
      steps_ = 0;
      decide(logs, decision);
    }
    if (time_due) {
      last_seconds_ = seconds;
      decision.save = true;
    }
    return decision;
  }

  CallbackDecision on_epoch_end(int64_t, const Logs& logs, double) override {
    CallbackDecision decision;
    if (every_steps_ == 0) decide(logs, decision);
    return decision;
  }

  std::optional<int> keep() const override { return keep_; }

  std::string to_json() const override { return Json{{"best", number_to_json(best_)}, {"steps", steps_}}.dump(); }
  void from_json(std::string_view text) override {
    read_state(*this, text, [&](const Json& json) {
      best_ = number_from_json(json.at("best"));
      steps_ = json.at("steps").get<int64_t>();
    });
  }

 private:
  void decide(const Logs& logs, CallbackDecision& decision) {
    decision.save = !best_only_;
    if (!monitor_) return;
    std::optional<double> current;
    if (best_only_) {
      current = monitor_->find(logs, def().class_name, "so it saves whether it is the best or not", decision);
      if (!current) decision.save = true;
    } else {
      current = find_log(logs, monitor_->name());
    }
    if (!current || !monitor_->improves(*current, best_)) return;
    // Keras lets a NaN in the first epoch be the best for ever; a NaN must not replace a good checkpoint.
    if (std::isnan(*current)) return;
    best_ = current;
    decision.save_best = true;
  }

  std::optional<Monitor> monitor_;
  bool best_only_;
  int64_t every_steps_;
  double every_seconds_;
  int keep_;
  std::optional<double> best_;
  int64_t steps_ = 0;                   // since the last save by steps
  std::optional<double> last_seconds_;  // of this process
};

class TerminateOnNaN : public Callback {
 public:
  explicit TerminateOnNaN(bool raise_error) : Callback(&callback_terminate_on_nan), raise_error_(raise_error) {}

  CallbackDecision on_step_end(int64_t step, const Logs& logs, double) override {
    CallbackDecision decision;
    const std::optional<double> loss = find_log(logs, "loss");
    if (!loss || std::isfinite(*loss)) return decision;
    decision.stop = true;
    decision.numeric_failure = raise_error_;
    decision.reason = fmt::format("the loss is {} in step {}", *loss, step);
    return decision;
  }
  std::string to_json() const override { return "{}"; }
  void from_json(std::string_view text) override {
    read_state(*this, text, [](const Json&) {});
  }

 private:
  bool raise_error_;
};

ConfigKey text_key(const char* name, const char* fallback) {
  return {.name = name, .kind = KeyKind::kString, .fallback = spec::Node::string(fallback)};
}
ConfigKey optional_float(const char* name, double min = -std::numeric_limits<double>::infinity()) {
  return {.name = name, .kind = KeyKind::kFloat, .min = min};
}
std::vector<ConfigKey> monitor_keys() {
  return {text_key("monitor", "val_loss"), choice_key("mode", {"auto", "min", "max"}, "auto"),
          ignored_key("verbose", spec::Node::integer(0))};
}
ConfigKey epochs_key(const char* name, int64_t fallback) { return int_key(name, spec::Node::integer(fallback), 0); }
ConfigKey min_delta_key(double fallback) { return float_key("min_delta", fallback, -std::numeric_limits<double>::infinity()); }

std::unique_ptr<Callback> make_early_stopping(const Config& config, spec::Reader& reader, const CallbackContext& context) {
  std::optional<Monitor> monitor = read_monitor(config, reader, context);
  return monitor ? std::make_unique<EarlyStopping>(std::move(*monitor), config) : nullptr;
}

std::unique_ptr<Callback> make_reduce_lr(const Config& config, spec::Reader& reader, const CallbackContext& context) {
  std::optional<Monitor> monitor = read_monitor(config, reader, context);
  if (!context.fixed_learning_rate.empty()) {
    reader.report("", fmt::format("cannot change a learning rate that {}, or leave ReduceLROnPlateau out", context.fixed_learning_rate));
    return nullptr;
  }
  return monitor ? std::make_unique<ReduceLROnPlateau>(std::move(*monitor), config) : nullptr;
}

std::unique_ptr<Callback> make_model_checkpoint(const Config& config, spec::Reader& reader, const CallbackContext& context) {
  const spec::Node& frequency = config.node("save_freq");
  const bool by_epoch = frequency.is_string() && frequency.as_string() == "epoch";
  if (!by_epoch && !(frequency.kind() == spec::Kind::kInt && frequency.as_int() >= 1)) {
    reader.report("save_freq", "must be 'epoch' or a number of steps >= 1");
    return nullptr;
  }
  // The default monitor is no mistake in a run without validation that only wants checkpoints.
  if (!config.flag("save_best_only") && !reader.has("monitor") && !context.has_validation) {
    return std::make_unique<ModelCheckpoint>(std::nullopt, config);
  }
  std::optional<Monitor> monitor = read_monitor(config, reader, context);
  return monitor ? std::make_unique<ModelCheckpoint>(std::move(monitor), config) : nullptr;
}

std::unique_ptr<Callback> make_terminate_on_nan(const Config& config, spec::Reader&, const CallbackContext&) {
  return std::make_unique<TerminateOnNaN>(config.flag("raise_error"));
}

ConfigKey factor_key() {
  ConfigKey key = float_key("factor", 0.1, 0, 1);
  key.max_open = true;
  return key;
}

}  // namespace

const CallbackDef callback_early_stopping = {
    "EarlyStopping", "Stops when the monitored log has not improved for `patience` epochs.",
    join_keys(monitor_keys(), {min_delta_key(0), epochs_key("patience", 0), optional_float("baseline"),
                               bool_key("restore_best_weights", false), epochs_key("start_from_epoch", 0)}),
    make_early_stopping};
const CallbackDef callback_model_checkpoint = {
    "ModelCheckpoint",
    "Saves after each epoch or every save_freq steps or every_seconds, keeping the last `keep` files and the best by the monitored log. "
    "With "
    "save_best_only only the best (and what every_seconds saves).",
    join_keys(monitor_keys(),
              {bool_key("save_best_only", false), unsupported_key("save_weights_only", spec::Node::boolean(false)),
               any_key("save_freq", spec::Node::string("epoch")), optional_float("initial_value_threshold"),
               optional_float("every_seconds", 0), int_key("keep", spec::Node::integer(3), 1), unsupported_key("filepath")}),
    make_model_checkpoint};
const CallbackDef callback_reduce_lr_on_plateau = {
    "ReduceLROnPlateau", "Multiplies the learning rate by `factor` when the monitored log has not improved for `patience` epochs.",
    join_keys(monitor_keys(),
              {factor_key(), epochs_key("patience", 10), min_delta_key(1e-4), epochs_key("cooldown", 0), float_key("min_lr", 0, 0)}),
    make_reduce_lr};
const CallbackDef callback_terminate_on_nan = {
    "TerminateOnNaN", "Stops at the first step whose loss is not finite.", {bool_key("raise_error", false)}, make_terminate_on_nan};

namespace {

const CallbackDef* const kCallbacks[] = {
#define DL_CALLBACK(name) &callback_##name,
#include "train/callbacks.def"
#undef DL_CALLBACK
};

std::unique_ptr<Callback> read_callback(const spec::Node& node, const std::string& path, const CallbackContext& context,
                                        spec::Problems& problems) {
  const auto named = read_object(node, path, problems);
  if (!named) return nullptr;
  std::vector<std::string_view> names;
  for (const CallbackDef* def : kCallbacks) names.emplace_back(def->class_name);
  const auto found = std::find(names.begin(), names.end(), named->name);
  if (found == names.end()) {
    problems.add(node.place(), path, fmt::format("unknown callback '{}'{}", named->name, spec::suggestion(named->name, names)));
    return nullptr;
  }
  const CallbackDef& def = *kCallbacks[found - names.begin()];
  spec::Node empty = spec::Node::map({});
  empty.set_place(node.place());
  const size_t problems_before = problems.lines().size();
  spec::Reader reader(named->config && !named->config->is_null() ? *named->config : empty, join_path(path, named->name), problems);
  const Config config = read_config(reader, def.keys);
  std::unique_ptr<Callback> callback;
  if (problems.lines().size() == problems_before) callback = def.make(config, reader, context);
  reader.finish();
  return callback;
}

}  // namespace

std::span<const CallbackDef* const> callback_table() { return kCallbacks; }

void CallbackDecision::merge(CallbackDecision other) {
  if (other.stop && !stop) reason = std::move(other.reason);
  stop |= other.stop;
  numeric_failure |= other.numeric_failure;
  if (other.learning_rate) learning_rate = learning_rate ? std::min(*learning_rate, *other.learning_rate) : *other.learning_rate;
  save |= other.save;
  save_best |= other.save_best;
  remember_weights |= other.remember_weights;
  restore_weights |= other.restore_weights;
  swap_averages |= other.swap_averages;
  messages.insert(messages.end(), std::make_move_iterator(other.messages.begin()), std::make_move_iterator(other.messages.end()));
}

CallbackDecision Callback::on_step_end(int64_t, const Logs&, double) { return {}; }
CallbackDecision Callback::on_epoch_begin(int64_t, double) { return {}; }
CallbackDecision Callback::on_validation_begin() { return {}; }
CallbackDecision Callback::on_validation_end() { return {}; }
CallbackDecision Callback::on_epoch_end(int64_t, const Logs&, double) { return {}; }
CallbackDecision Callback::on_train_end() { return {}; }

std::vector<std::unique_ptr<Callback>> read_callbacks(const spec::Node& node, const std::string& path, const CallbackContext& context,
                                                      spec::Problems& problems) {
  std::vector<std::unique_ptr<Callback>> callbacks;
  if (node.is_null()) return callbacks;
  if (!node.is_list()) {
    problems.add(node.place(), path,
                 fmt::format("is {}, must be a list of callbacks, such as [{{EarlyStopping: {{patience: 2}}}}]", name_of(node.kind())));
    return callbacks;
  }
  for (size_t i = 0; i < node.items().size(); ++i) {
    if (auto callback = read_callback(node.items()[i], fmt::format("{}[{}]", path, i), context, problems))
      callbacks.push_back(std::move(callback));
  }
  return callbacks;
}

}  // namespace dl
