// Optimizers as graph builders, with Keras's names, keys, defaults and formulas. One row of optimizers.def and one function
// each. The learning rate is a scalar the training loop feeds; slots are parameters of the Program, so checkpoints and
// resume need nothing special.
// Who uses it: step_program.h, the run-file reader, the man page.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "graph/var.h"
#include "layers/config.h"
#include "spec/reader.h"

namespace dl {

// One parameter's update. `slot` gives the old value of a slot (zeros at the start); set_slot its new value.
struct OptimizerCall {
  const Config& config;
  Var parameter, gradient;  // of the parameter's type
  Var learning_rate;        // scalar
  Var step;                 // scalar, 1 in the first step, as a float
  double weight_decay = 0;  // decoupled; 0 for parameters that are excluded
  std::function<Var(const char* slot)> slot;
  std::function<void(const char* slot, Var value)> set_slot;
};

struct OptimizerDef {
  const char* class_name;
  const char* summary;
  std::vector<ConfigKey> keys;  // besides those of every optimizer: learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm
  double default_learning_rate;
  double default_weight_decay = 0;
  Var (*update)(const OptimizerCall& call);  // the new parameter
};
std::span<const OptimizerDef* const> optimizer_table();

// A validated `optimizer:`; learning_rate may be a schedule and stays a Node for schedule.h.
struct Optimizer {
  const OptimizerDef* def = nullptr;
  Config config;
  spec::Node learning_rate;
};
// "adam", {Adam: {learning_rate: 0.001}}, Keras's {class_name, config}.
Optimizer read_optimizer(const spec::Node& node, const std::string& path, spec::Problems& problems);

// Keras's order: clipvalue, or clipnorm (per gradient), or global_clipnorm (all together).
std::vector<Var> clip_gradients(const Optimizer& optimizer, std::vector<Var> gradients);

}  // namespace dl
