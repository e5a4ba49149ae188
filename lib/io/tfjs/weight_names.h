// Which stored weight belongs to which weight of the model. TF.js names them LAYER/WEIGHT, converters put names of cells, wrapped layers
// and models between; what is told apart by such names alone stands in the same order on both sides.
// Who uses it: tfjs_file.cpp. Errors: FileError with every weight that is missing or left over, a line each.
#pragma once

#include "io/keras/import.h"
#include "io/tfjs/weights.h"

namespace dl::tfjs {

// Fills import.saved.weights. Shapes are compared.
void read_weights(const StoredWeights& stored, KerasImport& import, const std::string& file);

}  // namespace dl::tfjs
