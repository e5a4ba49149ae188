// SavedModel: what a model file holds, whatever its format. Readers make one, writers take one; `convert` is a reader and a writer.
// Who uses it: lib/io/<format>, train (fine-tuning, loading), convert, export, inspect, predict.
// Invariants: `weights` has every parameter of the model's inference program, in its shape, and nothing else.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "layers/model.h"
#include "spec/node.h"
#include "tensor/named_tensors.h"

namespace dl {

// Inputs and the outputs that the model gave for them where it was saved.
struct TestPair {
  NamedTensors inputs, outputs;
};

struct SavedModel {
  Model model;                            // of a graph format: graph_model() (layers/graph_layer.h)
  spec::Node model_tree;                  // the map {name, inputs, layers, outputs} that `model` was parsed from; null for a graph
  std::map<std::string, Tensor> weights;  // by parameter name: "conv2d/kernel"

  // How training goes on, null and empty where the file does not say.
  spec::Node training;                  // {loss, optimizer, metrics, loss_weights} in the words of a run file
  std::map<std::string, Tensor> slots;  // as in a training program: "dense/kernel/m", and "step"

  spec::Node preprocessing;                     // of the data, as a checkpoint keeps it; null: none
  std::map<std::string, std::string> metadata;  // what the format has room for: producer, version, date, ...
  std::vector<TestPair> tests;
  std::vector<std::string> warnings;  // for the user, in one line each
};

}  // namespace dl
