// How training goes on: compile_config and the optimizer's variables of a Keras file, as a run file and a training program have them.
// Both directions. Private to lib/io/keras.
#pragma once

#include <string>
#include <vector>

#include "io/keras/export.h"
#include "io/keras/import.h"

namespace dl {

// Sets import.saved.training. What dltool has no word for is left out, with a warning; nothing here makes a model unreadable.
// `compile_config`: that of a .keras, or the training_config of a legacy .h5.
void read_training(const spec::Node& compile_config, KerasImport& import);
// The optimizer's variables, named as a training program names them ("dense/kernel/m", "step"); a warning where they do not fit.
void read_object_slots(Hdf5File& weights, KerasImport& import);
void read_legacy_slots(Hdf5File& file, KerasImport& import);

// compile_config, or (`legacy`) training_config; null when the model does not say how it is trained, or in words that Keras lacks.
spec::Node write_training(const SavedModel& saved, KerasVersion version, bool legacy);
// Nothing where the model has no slots, or not all that Keras's optimizer wants.
void write_object_slots(Hdf5Output& file, const SavedModel& saved, const KerasExport& model);
void write_legacy_slots(Hdf5Output& file, const SavedModel& saved, const KerasExport& model);

}  // namespace dl
