// Operations that Keras 3 keeps among the layers of a Functional model ("x / 2.0") as expressions of our Lambda layer.
// Private to lib/io/keras (config_reader.cpp).
#pragma once

#include <optional>
#include <string>

#include "io/keras/node_reader.h"

namespace dl {

// Whether `layer` (an entry of `layers`) is an operation and not a layer.
bool is_operation(const spec::Node& layer);

// The expression over x0, x1, ... (the call's inputs in order); nullopt when there is none that computes the same.
std::optional<std::string> operation_expression(const std::string& class_name, const spec::Node& config, const KerasCall& call);

}  // namespace dl
