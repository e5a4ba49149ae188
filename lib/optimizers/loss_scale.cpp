#include "optimizers/optimizer.h"

namespace dl {

// Reading and the step know it: optimizer.cpp, apply.cpp.
extern const OptimizerDef optimizer_loss_scale;
const OptimizerDef optimizer_loss_scale = {
    .class_name = "LossScaleOptimizer",
    .summary = "Scales the loss for the optimizer in it and leaves out steps whose gradients are not finite.",
    .keys = {any_key("inner_optimizer", {}, true), float_key("initial_scale", 32768, 0),
             int_key("dynamic_growth_steps", spec::Node::integer(2000), 1), ignored_key("name")},
    .default_learning_rate = 0,
    .in_keras2 = false,
};

}  // namespace dl
