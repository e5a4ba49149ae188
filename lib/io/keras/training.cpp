#include "io/keras/training.h"

namespace dl {

void read_training(const spec::Node&, KerasImport&) {}
void read_object_slots(Hdf5File&, KerasImport&) {}
void read_legacy_slots(Hdf5File&, KerasImport&) {}

}  // namespace dl
