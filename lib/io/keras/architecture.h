// The config of a Keras model alone, as model.to_json() and a .keras file's config.json have it: a model that is not trained.
// Who uses it: train (model: model.json in a run file, every command that takes a model), the reader of .h5 with weights alone.
#pragma once

#include <string>
#include <string_view>

#include "io/saved_model.h"

namespace dl {

// The text begins like such a config (of Keras 1, 2 or 3) and not like a TF.js model.
bool looks_like_keras_config(std::string_view head);
// `path` is a file that does.
bool is_keras_architecture(const std::string& path);
// The JSON of `path`, and the version that it tells: Keras 2.12's configs in the form of Keras 3 name modules and no version. "": none.
spec::Node load_keras_json(const std::string& path);
std::string keras_json_version(const spec::Node& config);
// Without weights; `training` where the config says it. FileError listing what cannot be read.
SavedModel read_keras_architecture(const std::string& path);

}  // namespace dl
