// The config of a Keras model (any version, Sequential or Functional, nested, with shared layers) as the map {name, inputs, layers,
// outputs} that parse_model reads. Layers of nested models get the name OUTER_INNER. Operations between layers become Lambda expressions.
// Who uses it: keras_file.cpp, h5_file.cpp, fuzz target, readers of other formats that hold Keras configs (TF.js).
#pragma once

#include <string>
#include <vector>

#include "io/keras/layer_config.h"
#include "spec/reader.h"

namespace dl {

// One layer of the file, in its order: models inside are spelled out.
struct KerasLayerEntry {
  std::string name;  // in the tree
  std::string class_name;
  std::string path;       // of its object in .weights.h5: "layers/dense_1", "layers/functional/layers/dense"
  std::string outermost;  // name of the top-level layer that it is or is in: its group in a legacy .h5
  bool trainable = true;  // with those around it
  spec::Node keras1{};    // its mark (keras1.h); null: none
};

struct KerasConfig {
  spec::Node tree;
  std::vector<KerasLayerEntry> layers;
  std::vector<std::string> warnings;
};

// `model`: {class_name, config}. Everything that cannot be read is added to `problems`; messages begin with `file`.
KerasConfig read_keras_config(const spec::Node& model, const std::string& file, KerasVersion version, spec::Problems& problems);

}  // namespace dl
