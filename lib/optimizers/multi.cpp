#include "optimizers/optimizer.h"

namespace dl {

// Reading and the step know it: optimizer.cpp, apply.cpp.
extern const OptimizerDef optimizer_multi;
const OptimizerDef optimizer_multi = {
    .class_name = "MultiOptimizer",
    .summary =
        "Different optimizers for different weights: optimizer_map is {OptimizerMap: {default_optimizer: ..., optimizer_map: {PATTERN: "
        "...}}}, where PATTERN is the name of a weight, such as dense/kernel, or a regular expression that matches all of it. The rate "
        "that is logged is that of the default_optimizer.",
    .keys = {any_key("optimizer_map", {}, true), optional_float_key("loss_scale_factor", 0), ignored_key("name")},
    .default_learning_rate = 0,
    .in_keras2 = false,
};

}  // namespace dl
