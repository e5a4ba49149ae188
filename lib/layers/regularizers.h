// Keras's weight regularisers L1, L2, L1L2 and OrthogonalRegularizer as an extra term of the loss.
// Who uses it: layers through ConfigKey; LayerContext adds the terms.
#pragma once

#include <string>

#include "graph/var.h"
#include "spec/reader.h"

namespace dl {

// {class_name, config} with every key, or null for none; null after reporting a problem.
spec::Node read_regularizer(const spec::Node& node, const std::string& path, spec::Problems& problems);
// The scalar penalty; `node` is what read_regularizer returned and not null.
Var regularization_loss(const spec::Node& node, Var weight);

}  // namespace dl
