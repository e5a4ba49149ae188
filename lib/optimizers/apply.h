// An optimizer's part of the training step: scales the loss, accumulates and clips gradients, updates weights, their moving averages
// and all that the optimizer keeps, and holds weights to their constraints. In Keras's order throughout.
// Who uses it: train/step_program.cpp. Everything is added to one Program; new values go through `update`.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "graph/program.h"
#include "optimizers/optimizer.h"

namespace dl {

struct TrainedWeight {
  Parameter parameter;
  spec::Node constraint;  // null: none
  Var gradient;           // of the scaled loss
};

class OptimizerStep {
 public:
  using Update = std::function<void(const std::string& name, Var value)>;
  // `batch`: the int64 scalar kStepName. `learning_rates`: one for each of all_optimizers. `update` takes the new values of parameters of
  // the program.
  OptimizerStep(const Optimizer& optimizer, Program& program, Var batch, std::vector<Var> learning_rates, Update update);

  // What gradients have to be taken of.
  Var scale(Var loss) const;
  // Adds the optimizer's parameters to the program, in the order of the weights, and every update.
  void apply(std::vector<TrainedWeight> weights);

 private:
  using Slots = std::map<std::string, Var>;

  void apply_own(const std::vector<TrainedWeight>& weights);
  Var add_parameter(const std::string& name, TensorType type, double initial);
  std::vector<Var> unscaled(const std::vector<TrainedWeight>& weights);
  void count_iterations();
  std::vector<Var> accumulated(const std::vector<TrainedWeight>& weights, std::vector<Var> gradients);
  void update_shared();
  void update_weight(const TrainedWeight& weight, Var gradient);
  void set(const std::string& name, Var value, Var old);  // where this batch updates at all
  Var averaged(const TrainedWeight& weight, Var value);

  const Optimizer& optimizer_;
  Program& program_;
  Var batch_, learning_rate_;
  std::vector<Var> rule_rates_;
  Update update_;
  Slots slots_;
  Var loss_scale_, iteration_;  // of a dynamic loss scale
  Var finite_;                  // gradients are; invalid without a dynamic loss scale
  Var due_;                     // this batch updates the weights; invalid where each does
  Var done_, step_;             // updates before this batch, the same + 1; of the variable type
  Var shared_;
};

// Keras: clipnorm (per gradient), global_clipnorm (all together) or clipvalue; 0 is none.
std::vector<Var> clip_gradients(const Optimizer& optimizer, std::vector<Var> gradients);

}  // namespace dl
