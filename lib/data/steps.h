// Preprocessing steps of samples: `preprocess:` of the data section. Names, keys and meaning are those of Keras's layers, so that a list of
// steps could as well stand at the front of a model: random steps draw in training only and do their fixed part otherwise (RandomCrop
// takes the middle, RandomFlip nothing).
// Who uses it: open_data and open_part; steps run on the threads that decode.
// Random numbers are a function of (seed, epoch, sample, field, step): the same for any number of threads and ranks.
// Fields of texts have one step, which makes numbers of them: StringLookup, TextVectorization, Hashing, HashedCrossing (text_steps.h).
// A new step is one row of the table in steps.cpp.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "spec/reader.h"

namespace dl {

// Checks a map from field to a list of steps, or one list, for the field x. Null: no steps.
void check_steps(const spec::Node& steps, const std::string& path, spec::Problems& problems);

// `base` with the steps of its fields. UserError at the step's place where shapes do not fit; steps of fields that are not there are
// an error too, unless they are targets' and `inputs_only`.
DatasetPtr apply_steps(DatasetPtr base, const spec::Node& steps, bool inputs_only = false);

// f(field, path of the list, list) for each field that has steps.
void each_step_list(const spec::Node& steps, const std::string& path, spec::Problems& problems,
                    const std::function<void(const std::string&, const std::string&, const std::vector<spec::Node>&)>& f);

}  // namespace dl
