// Keras's weight constraints MaxNorm, MinMaxNorm, NonNeg and UnitNorm: what a weight is projected onto after each update.
// Who uses it: layers through ConfigKey and LayerContext::weight_spec; optimizers/apply.cpp projects.
#pragma once

#include <span>
#include <string>

#include "graph/var.h"
#include "spec/reader.h"

namespace dl {

// {class_name, config} with every key; null after reporting a problem.
spec::Node read_constraint(const spec::Node& node, const std::string& path, spec::Problems& problems);
// The weight within its constraint; `node` is what read_constraint returned and not null. UserError for an axis that the weight lacks.
Var constrained(const spec::Node& node, Var weight);

// Keras's class names.
std::span<const std::string_view> constraint_names();

}  // namespace dl
