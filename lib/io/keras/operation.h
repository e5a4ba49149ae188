// Functions among the layers of a Functional model ("x / 2.0", x[:, 0], keras.ops.mean; TFOpLambda in tf.keras) as expressions of our
// Lambda layer, and back. One table for both directions. Private to lib/io/keras (config_reader.cpp, network.cpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "io/keras/network.h"
#include "io/keras/node_reader.h"
#include "spec/expression.h"

namespace dl {

// Whether `layer` (an entry of `layers`) is a function and not a layer.
bool is_operation(const spec::Node& layer);

// The expression over x0, x1, ... (the call's inputs in order) and arrays c0, c1, ...; nullopt when there is none that computes the same.
struct ReadOperation {
  std::string expression;
  std::vector<spec::Node> constants;  // as Lambda's key of this name holds them
};
std::optional<ReadOperation> operation_expression(const std::string& class_name, const spec::Node& config, const KerasCall& call);

// A call of a function, or of a node of an expression's tree. `arguments`: those of `expression`, the constants among them in order.
struct WrittenOperation {
  std::string module, class_name;
  spec::Node config;  // but the name
  NetworkCall call;
};
std::optional<WrittenOperation> write_operation(const spec::Expr& expression, std::vector<NetworkArgument> arguments, KerasVersion version);

}  // namespace dl
