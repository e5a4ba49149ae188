// How training goes on: compile_config and the optimizer's variables of a Keras file, as a run file and a training program have them.
// Private to lib/io/keras.
#pragma once

#include <string>
#include <vector>

#include "io/keras/import.h"

namespace dl {

// Sets import.saved.training. What dltool has no word for is left out, with a warning; nothing here makes a model unreadable.
void read_training(const spec::Node& compile_config, KerasImport& import);
// The optimizer's variables, named as a training program names them ("dense/kernel/m", "step"); a warning where they do not fit.
void read_object_slots(Hdf5File& weights, KerasImport& import);
void read_legacy_slots(Hdf5File& file, KerasImport& import);

}  // namespace dl
