// Callbacks with Keras's names, keys, defaults and semantics, as state machines: they look at numbers and say what should be done; the
// training loop does it. Their state goes into the checkpoint, their keys do not, so that a resume may change patience and the like.
// Who uses it: the training loop. With several ranks every rank feeds them the same numbers. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "layers/config.h"
#include "spec/reader.h"
#include "train/history.h"
#include "train/metric.h"

namespace dl {

struct CallbackDecision {
  bool stop = false;
  bool numeric_failure = false;            // with stop: end with NumericError (TerminateOnNaN: {raise_error: true})
  std::string reason = {};                 // of the stop, for people: "val_loss did not improve for 2 epochs (best 0.0312 in epoch 5)"
  std::optional<double> learning_rate;     // the rate from now on
  bool save = false;                       // write a checkpoint
  bool save_best = false;                  // write best.ckpt.h5
  bool remember_weights = false;           // EarlyStopping: hold on to the weights of now
  bool restore_weights = false;            // put the remembered ones back
  bool swap_averages = false;              // use_ema: the averages and the weights change places
  std::vector<std::string> messages = {};  // warnings and news for the log

  void merge(CallbackDecision other);  // what several callbacks want together: the first reason, the lowest rate
};

struct CallbackDef;

class Callback {
 public:
  virtual ~Callback() = default;
  const CallbackDef& def() const { return *def_; }
  // After each optimizer step. `step` counts from 1, `seconds` from the start of this process, `logs` holds at least the loss of the step
  // or its running mean.
  virtual CallbackDecision on_step_end(int64_t step, const Logs& logs, double seconds);
  // Before the first step of an epoch; `learning_rate` is the one set so far.
  virtual CallbackDecision on_epoch_begin(int64_t epoch, double learning_rate);
  virtual CallbackDecision on_validation_begin();
  virtual CallbackDecision on_validation_end();
  // `epoch` counts from 0; logs include val_* when this epoch validated.
  virtual CallbackDecision on_epoch_end(int64_t epoch, const Logs& logs, double learning_rate);
  virtual CallbackDecision on_train_end();
  // ModelCheckpoint: how many step files to keep; nullopt for the others.
  virtual std::optional<int> keep() const { return std::nullopt; }
  // ModelCheckpoint: the log that decides which weights are the best; "" for the others.
  virtual std::string chooses_best_by() const { return ""; }
  // TensorBoard: a histogram of each weight after every so many epochs, 0: none; and a picture of it.
  virtual int64_t histograms_every() const { return 0; }
  virtual bool writes_pictures() const { return false; }
  // SwapEMAWeights: the moving averages stand in the place of the weights now.
  virtual bool averages_in_model() const { return false; }
  // The state as a JSON object in one line, bit for bit. from_json throws FileError for what to_json cannot have written.
  virtual std::string to_json() const = 0;
  virtual void from_json(std::string_view text) = 0;

 protected:
  explicit Callback(const CallbackDef* def) : def_(def) {}

 private:
  const CallbackDef* def_;
};

// The logs a run can have, without their val_ twins: "loss", metrics, "<output>_loss".
struct KnownLog {
  std::string name;
  Direction direction = Direction::kDown;
};
struct CallbackContext {
  std::vector<KnownLog> logs;
  bool has_validation = false;
  std::string fixed_learning_rate = {};  // why no callback can set it: "follows a schedule: ..."; "" where one can
  bool moving_averages = false;          // the optimizer has use_ema
};

struct CallbackDef {
  const char* class_name;
  const char* summary;
  std::vector<ConfigKey> keys;
  // Reports what single keys cannot say; may return null after a report.
  std::unique_ptr<Callback> (*make)(const Config& config, spec::Reader& reader, const CallbackContext& context);
};
std::span<const CallbackDef* const> callback_table();

// A list of names, {EarlyStopping: {...}} or Keras's {class_name, config}; null is an empty list.
std::vector<std::unique_ptr<Callback>> read_callbacks(const spec::Node& node, const std::string& path, const CallbackContext& context,
                                                      spec::Problems& problems);

}  // namespace dl
