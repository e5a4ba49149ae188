// From what a Keras file says to a SavedModel: parses and builds the model of a config, so that the readers know which weights it has,
// and gives those weights their arrays. Private to lib/io/keras.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "hdf5/hdf5_file.h"
#include "io/keras/config_reader.h"
#include "io/keras/keras1.h"
#include "io/saved_model.h"
#include "layers/layer.h"

namespace dl {

// One weight as Keras orders and places it.
struct KerasWeight {
  std::string name;    // of the parameter
  std::string object;  // inside the layer: "", "cell", "forward_layer/cell"
  Dims dims;
  DType dtype = DType::kFloat32;
  bool trainable = true;
};

struct KerasImport {
  SavedModel saved;  // without weights
  KerasVersion version = KerasVersion::k3;
  std::vector<KerasLayerEntry> layers;
  std::vector<std::vector<KerasWeight>> weights;  // of each layer, in Keras's order

  // The trainable weights of the whole model in Keras's order: that of the optimizer's variables.
  std::vector<KerasWeight> trainable() const;
};

// `config`: {class_name, config}. FileError with everything that cannot be read, a line each.
KerasImport import_keras_config(const spec::Node& config, const std::string& file, KerasVersion version);
// Of Keras 1.
KerasImport import_keras1_config(const spec::Node& config, const Keras1File& file);

// The weights of each layer in Keras's order, as the model's inference program has them.
std::vector<std::vector<KerasWeight>> keras_weights(const Model& model, const std::vector<KerasLayerEntry>& layers);

// Why Keras 2 computes a layer whose inputs have these masks (invalid: none) otherwise than Keras 3, and dltool; "" when it does not.
std::string keras2_mask_difference(const Layer& layer, std::span<const Var> masks);

// Keras 2 for "2.15.0" and below, also where there is no version (before 2.0 or the standalone writer).
KerasVersion keras_version_of(const std::string& text);

// Fills saved.weights from the layout of .weights.h5 (by attribute path) or of a legacy .h5 (by order, below the group `root`). Counts and
// shapes are checked: FileError naming file and object.
void read_object_weights(Hdf5File& file, KerasImport& import);
void read_legacy_weights(Hdf5File& file, const std::string& root, KerasImport& import);

}  // namespace dl
