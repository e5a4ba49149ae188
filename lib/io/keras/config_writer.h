// A Model as the config that Keras 3 or Keras 2 writes: {class_name: Sequential | Functional, config: {layers, ...}}.
// Who uses it: the writers of .keras and .h5, of TF.js (whose topology is that of Keras 2), tests.
// The same model gives the same bytes; layers are in the order in which Keras lists them.
#pragma once

#include <string>
#include <vector>

#include "io/keras/config_reader.h"
#include "io/saved_model.h"

namespace dl {

struct KerasModelConfig {
  spec::Node node;                      // with module and registered_name in version 3
  std::vector<KerasLayerEntry> layers;  // in Keras's order, without inputs; `path` is that of .weights.h5
  std::vector<std::string> problems;    // what Keras cannot hold, a line each; `node` is of use only when there are none
};

KerasModelConfig write_keras_config(const SavedModel& saved, KerasVersion version);

}  // namespace dl
