// A whole model lowered to TF.js layers.
#pragma once

#include <string>
#include <vector>

#include "io/saved_model.h"
#include "io/tfjs/emitter.h"

namespace dl::tfjs {

struct Network {
  Emitter emitter;
  std::vector<Ref> inputs, outputs;
  std::vector<std::string> problems;  // what TF.js cannot hold, a line each; then the rest is not complete
};

Network lower_model(const SavedModel& model);

}  // namespace dl::tfjs
