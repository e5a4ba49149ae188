// RunSpec: a validated run file (design: model, data, training, output). dltool-spec(5) describes it.
// Who uses it: train, eval, bench and --explain. Parsing reports every problem of the file at once and touches no data.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/config.h"
#include "layers/losses.h"
#include "layers/model.h"
#include "optimizers/optimizer.h"
#include "spec/node.h"
#include "train/anomalies.h"
#include "train/callback.h"
#include "train/metric.h"
#include "train/schedule.h"
#include "train/step_program.h"

namespace dl {

enum class NanPolicy { kStop, kSkip, kRollback };

struct CheckpointPolicy {
  int64_t epochs = 1;          // every so many epochs; 0: never for this reason
  int64_t steps = 0;           // every so many steps
  double seconds = 0;          // at least this often
  int64_t keep = 3;            // newest ones kept; the best is kept besides
  bool stop_on_error = false;  // a checkpoint that cannot be written ends the run (exit 4); else a warning, and training goes on
};

struct TrainingSpec {
  std::vector<OutputLoss> losses;  // one per model output
  Optimizer optimizer;
  Schedule schedule;                             // of its learning rate
  std::vector<Schedule> rule_schedules;          // of those of optimizer.rules
  std::vector<std::vector<MetricSpec>> metrics;  // per model output
  SampleWeights weights;
  spec::Node callbacks;  // validated; make_callbacks builds them, one set per rank
  int64_t batch_size = 32;
  int64_t epochs = 1;
  int64_t seed = 0;
  Precision precision;
  bool strict = false;  // deterministic: strict
  int64_t microbatches = 0;
  NanPolicy on_nan = NanPolicy::kStop;
  std::string initial_weights;  // a checkpoint or .npz by parameter name; "" = initialisers
  bool skip_mismatch = false;   // of it, what has the name and shape of a weight; the others keep their initialisers
  CheckpointPolicy checkpoints;
  bool reset_states = false;  // stateful layers start every epoch, and validation, with zeros; else nothing but the run's start does
  bool log_steps = false;     // metrics.jsonl gets a line per step
};

// What `model: FILE` brings besides the model, where FILE holds weights (a checkpoint, or a file of lib/io).
struct StartState {
  std::string origin;                     // the file
  std::map<std::string, Tensor> weights;  // all of the model
  std::map<std::string, Tensor> slots;    // of the optimizer, and "step"; empty where the run file names an optimizer of its own
};

struct RunSpec {
  std::string name;       // of the file, without folder and suffix
  spec::Node resolved;    // the file with overrides and variables
  spec::Node model_tree;  // what `model` was parsed from: the content of the model file, or the map in the run file
  Model model;
  std::optional<StartState> start;
  DataSpec data;
  bool has_data = false;
  TrainingSpec training;
  std::optional<AnomalySpec> anomalies;
  std::string output;
  std::vector<spec::Default> defaults, model_defaults;  // by paths in `resolved` and in `model_tree`
  std::string base_dir;                                 // relative paths in `resolved` start here; "": the working folder
};

// Loads the file, applies overrides ("training.epochs=3") and variables, validates. UserError with all problems.
RunSpec load_run_spec(const std::string& path, const std::vector<std::string>& overrides);
// From a resolved text, such as a checkpoint holds. `origin` names it in messages.
RunSpec parse_run_spec(const std::string& text, const std::string& origin, const std::vector<std::string>& overrides = {});

// `resolved` as text for any folder: the model itself in place of its path, absolute paths of data, `output` written out.
// parse_run_spec of its text gives the same run.
spec::Node self_contained(const RunSpec& spec);
// The same with every default written out, for people; what --print-config writes.
spec::Node with_every_default(const RunSpec& spec);

// What the run file says of the training step, for one of `ranks` ranks.
StepOptions step_options(const TrainingSpec& training, int rank = 0, int ranks = 1);

// The callbacks of the run, in their first state.
std::vector<std::unique_ptr<Callback>> make_callbacks(const RunSpec& spec);

}  // namespace dl
