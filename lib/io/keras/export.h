// From a SavedModel to what a Keras file holds: the config, and the weights in Keras's order and places. Private to lib/io/keras.
#pragma once

#include <string>
#include <vector>

#include "hdf5/hdf5_output.h"
#include "io/keras/config_writer.h"
#include "io/keras/import.h"

namespace dl {

// The versions whose form is written.
inline constexpr const char *kKeras3Version = "3.15.1", *kKeras2Version = "2.15.0";

struct KerasExport {
  KerasModelConfig config;
  std::vector<std::vector<KerasWeight>> weights;  // of each of config.layers, in Keras's order
  KerasVersion version = KerasVersion::k3;
  bool half = false;

  std::vector<KerasWeight> trainable() const;  // of the whole model: the order of the optimizer's variables
};

// FileError (io/refuse.h) that lists everything Keras cannot hold.
KerasExport export_keras_model(const SavedModel& saved, const std::string& path, const char* format, KerasVersion version, bool half);

// In the layout of .weights.h5 (by attribute path), or in that of a whole-model .h5, below the group model_weights.
void write_object_weights(Hdf5Output& file, const SavedModel& saved, const KerasExport& model);
void write_legacy_weights(Hdf5Output& file, const SavedModel& saved, const KerasExport& model);

// What Keras has no place for: preprocessing, test pairs, metadata, `training` in dltool's words. In the group "dltool", which other
// readers pass over.
void write_private(Hdf5Output& file, const SavedModel& saved);
void read_private(Hdf5File& file, SavedModel& saved);

}  // namespace dl
