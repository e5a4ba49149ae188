// Writing a TF.js layers model: the layers of the model lowered to those that TF.js computes rightly, the topology in the words of Keras 2,
// the weights in files of 4 MiB.
#pragma once

#include <string>
#include <vector>

#include "io/format.h"

namespace dl::tfjs {

std::vector<std::string> unsupported(const SavedModel& model, const WriteOptions& options);
// `path`: the folder to make; where it ends in model.json, the folder that file will stand in.
void write(const SavedModel& model, const std::string& path, const WriteOptions& options);

}  // namespace dl::tfjs
