// Statistics of Normalization layers, computed over the training data before the first step.
#pragma once

#include "data/dataset.h"
#include "plan/session.h"
#include "train/run_spec.h"

namespace dl {

// Sets mean, variance (population) and count of every layer that adapts, in one pass over `training` each.
void adapt_layers(const RunSpec& spec, const DatasetPtr& training, Backend& backend, ParameterStore& parameters);

}  // namespace dl
