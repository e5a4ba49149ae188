// KerasNetwork: a Model as Keras sees it: operations (inputs, layers, functions) and their calls, in the order in which Keras lists
// the layers of a model it loads. That order names the groups of .weights.h5 and pairs the weights of a legacy .h5 with layers.
// Private to lib/io/keras (config_writer.cpp).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "io/keras/layer_config.h"
#include "layers/model.h"

namespace dl {

// An output of a call of an operation.
struct NetworkTensor {
  size_t operation = 0, call = 0, output = 0;
};

// An argument of a call: a tensor, a list of arguments, or a constant.
struct NetworkArgument {
  enum class Kind { kTensor, kList, kValue };
  Kind kind = Kind::kTensor;
  NetworkTensor tensor = {};
  std::vector<NetworkArgument> items = {};
  spec::Node value = {};

  static NetworkArgument of(NetworkTensor tensor) { return {Kind::kTensor, tensor, {}, {}}; }
  static NetworkArgument list(std::vector<NetworkArgument> items) { return {Kind::kList, {}, std::move(items), {}}; }
  static NetworkArgument constant(spec::Node value) { return {Kind::kValue, {}, {}, std::move(value)}; }
};

struct NetworkCall {
  std::vector<NetworkArgument> arguments;
  std::vector<std::pair<std::string, NetworkArgument>> keywords;
  std::vector<NetworkTensor> masks;  // that Keras adds to the arguments itself
  std::vector<TensorType> outputs;
};

struct NetworkOperation {
  enum class Kind {
    kInput,
    kLayer,
    kFunction,  // of keras.ops; has no weights
    kImplied,   // computes a mask; Keras makes it when it loads the model
  };
  Kind kind = Kind::kLayer;
  std::string name, class_name, module;
  spec::Node config;
  const Layer* layer = nullptr;  // kLayer
  std::vector<NetworkCall> calls;
};

struct KerasNetwork {
  std::vector<NetworkOperation> operations;
  std::vector<size_t> order;  // of the operations but the implied ones, as Keras lists them
  std::vector<NetworkTensor> inputs, outputs;
  bool chain = false;                 // each operation is called once, with the result of the one before: a Sequential
  std::vector<std::string> problems;  // what Keras cannot hold, a line each
};

KerasNetwork make_keras_network(const Model& model, KerasVersion version);

// Every tensor among the arguments, in Keras's order.
std::vector<NetworkTensor> tensors_of(const NetworkCall& call);

}  // namespace dl
