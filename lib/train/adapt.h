// What layers learn from the training data before the first step: statistics of Normalization, which are weights; borders and
// vocabularies, which are part of the model (layers/learned.h).
// Every rank goes through all training data in the same order, so that all learn the same.
#pragma once

#include "data/dataset.h"
#include "plan/session.h"
#include "train/run_spec.h"

namespace dl {

// Sets mean, variance (population) and count of every layer that adapts, in one pass over `training` each.
void adapt_layers(const RunSpec& spec, const DatasetPtr& training, Backend& backend, ParameterStore& parameters);

// What the layers of spec.model that need it learn, one pass over `training` each: {layer: {key: value}}; null when none has to.
spec::Node learn_layers(const RunSpec& spec, const DatasetPtr& training, Backend& backend);

// Puts what learn_layers gave, as YAML, into spec.model; into spec.model_tree, too, with `in_tree`. `origin` names the file it is from.
void set_learned_layers(RunSpec& spec, const std::string& learned, const std::string& origin, bool in_tree);

}  // namespace dl
