// Loading a model that is to run on given arrays: a graph of another framework may need their values to be read at all.
// Who uses it: predict, and whatever else has the inputs before the model.
#pragma once

#include <string>

#include "tensor/named_tensors.h"
#include "train/model_file.h"

namespace dl {

// load_model, where that is enough. A graph whose shapes or branches depend on inputs is read again with the values it needs, and, where
// symbolic sizes stand in its way, with all of `arrays`; it then holds for these alone. Errors as of load_model.
LoadedModel load_with_inputs(const std::string& path, const NamedTensors& arrays);

}  // namespace dl
