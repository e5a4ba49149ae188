// The model of a model.json in the words of a Keras config: what TF.js and its converters write differs from Keras 2 in details only.
// Who uses it: tfjs_file.cpp, fuzz target.
#pragma once

#include <string>
#include <vector>

#include "spec/node.h"

namespace dl::tfjs {

struct Topology {
  spec::Node model;     // {class_name, config}
  spec::Node training;  // {loss, metrics, optimizer_config}; null: none
  std::string version;  // of Keras, "" unknown
  std::vector<std::string> warnings;
};

// `root`: model.json. FileError where it holds no layers model.
Topology read_topology(const spec::Node& root, const std::string& file);

}  // namespace dl::tfjs
