// Optimizers as graph builders, with Keras's names, keys, defaults and formulas: one file <name>.cpp with one constant OptimizerDef and
// one row of optimizers.def each. What an optimizer keeps for a weight is declared as SlotSpec, so that the training program, checkpoints
// and Keras files agree on it. The learning rate is a scalar that the training loop feeds.
// Who uses it: apply.h (the training step), the run-file reader, lib/io/keras, the man page.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "graph/var.h"
#include "layers/config.h"
#include "spec/reader.h"

namespace dl {

// A weight as far as optimizers look at it.
struct WeightInfo {
  std::string name;  // "dense/kernel"
  Shape shape;
};

// A value that an optimizer keeps, for each weight or once.
struct SlotSpec {
  std::string name;                 // after the weight's name: "m"; "": Keras keeps a variable that says nothing
  std::string keras_name;           // Keras 3's word: "momentum"
  std::string keras2_name = {};     // Keras 2's, where it differs
  int block = 0;                    // Keras: the slots of one block weight by weight, then those of the next block
  double initial = 0;               // value at the start
  std::optional<Shape> shape = {};  // default: the weight's
};

// One weight's update.
struct OptimizerCall {
  const Config& config;
  const WeightInfo& weight;
  Var parameter, gradient;                           // of the parameter's type
  Var learning_rate;                                 // scalar
  Var step;                                          // scalar, 1 in the first step, as a float
  Var shared;                                        // the new value of what update_shared keeps; else invalid
  double weight_decay = 0;                           // decoupled
  std::function<Var(const std::string& slot)> slot;  // the old value
  std::function<void(const std::string& slot, Var value)> set_slot;
};

struct OptimizerDef {
  const char* class_name;
  const char* summary;
  std::vector<ConfigKey> keys = {};  // besides those of every optimizer
  double default_learning_rate = 0.001;
  double default_weight_decay = 0;
  bool in_keras2 = true;
  void (*check)(const Config& config, spec::Reader& reader) = nullptr;
  std::vector<SlotSpec> (*slots)(const Config& config, const WeightInfo& weight) = nullptr;
  Var (*update)(const OptimizerCall& call) = nullptr;  // the new parameter; null: a wrapper of another optimizer
  // The decay of one weight where it is not weight_decay alone.
  double (*decay)(const Config& config, const WeightInfo& weight) = nullptr;
  // A scalar of the whole optimizer, and its new value at `step`.
  std::optional<SlotSpec> shared = {};
  Var (*update_shared)(const Config& config, Var old, Var step) = nullptr;
};
std::span<const OptimizerDef* const> optimizer_table();

// LossScaleOptimizer: gradients of the loss times a factor, which halves where they are not finite (the step is left out) and doubles
// after so many good steps.
struct DynamicLossScale {
  double initial = 32768;
  int64_t growth_steps = 2000;
};

struct OptimizerRule;

// A validated `optimizer:`; learning_rate may be a schedule and stays a Node for schedule.h.
struct Optimizer {
  const OptimizerDef* def = nullptr;  // of a LossScaleOptimizer: that of the optimizer in it; of a MultiOptimizer: of its default
  Config config;
  spec::Node learning_rate;
  std::optional<DynamicLossScale> loss_scale;
  std::vector<OptimizerRule> rules;  // of a MultiOptimizer
  std::string part;                  // in a rule: tells its shared slot from those of the others
};

// The weights whose name ("dense/kernel") the regular expression matches from begin to end have an optimizer of their own.
struct OptimizerRule {
  std::string pattern;
  Optimizer optimizer;
};
// The optimizer of a weight: that of the rule that is its name, or matches it; else `optimizer` itself. UserError where two match.
const Optimizer& optimizer_of(const Optimizer& optimizer, const std::string& weight);
// Every one that some weight may have, `optimizer` itself first.
std::vector<const Optimizer*> all_optimizers(const Optimizer& optimizer);
bool keeps_averages(const Optimizer& optimizer);  // use_ema, of any
// The name of the slot that OptimizerDef::shared declares.
std::string shared_slot(const Optimizer& optimizer);

// "adam", {Adam: {learning_rate: 0.001}}, Keras's {class_name, config}.
Optimizer read_optimizer(const spec::Node& node, const std::string& path, spec::Problems& problems);

// What an optimizer keeps.
struct OptimizerState {
  std::string name;  // of the parameter in a training program: "dense/kernel/m"; "" where SlotSpec::name is
  std::string weight;
  std::string keras_name, keras2_name;  // Keras's words for the slot
  Shape shape;
  DType dtype;
  double initial = 0;
};
// All of it in the order of Keras 3's optimizer.variables, without the iterations and the learning rate. Rules are left aside: theirs is
// asked for by their own optimizers.
std::vector<OptimizerState> optimizer_state(const Optimizer& optimizer, std::span<const WeightInfo> weights, DType dtype);

// Names of the state that belongs to no weight: below `step`, as slots are below their weight.
inline constexpr const char* kStepName = "step";  // batches seen
inline constexpr const char* kLossScaleName = "step/dynamic_scale";
inline constexpr const char* kLossScaleCounterName = "step/step_counter";
inline constexpr const char* kLossScaleIterationName = "step/iteration";  // batches without those that were left out
// Slots of every optimizer, where it is asked for them.
inline constexpr const char* kAverageSlot = "moving_average";  // use_ema
inline constexpr const char* kAccumulatorSlot = "gradient_accumulator";

// Keras subtracts the decay before the update proper.
Var decayed(const OptimizerCall& call);
// The keys beta_1 and beta_2, below 1, and epsilon.
std::vector<ConfigKey> beta_keys(double beta_1, double beta_2);
ConfigKey epsilon_key(double fallback);
// A number that may be null.
ConfigKey optional_float_key(const std::string& name, double min);
// beta to the power of the step, a scalar.
Var power_of(double beta, Var step);

}  // namespace dl
