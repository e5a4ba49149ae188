// Steps of the data section that make numbers of texts (text_encoder.h): the one step of its field.
// Who uses it: steps.cpp checks and applies them with the others; open_data lets them learn from the training part.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "spec/reader.h"

namespace dl {

// Names of the fields with such a step: their columns are texts, whatever they look like.
std::vector<std::string> text_fields(const spec::Node& steps);
// Is the step one of these?
bool is_text_step(const spec::Node& step);
void check_text_step(const std::vector<spec::Node>& list, const std::string& path, spec::Problems& problems);

// `steps` with what they learned from all samples of `training`, in one pass.
spec::Node learn_texts(const Dataset& training, const spec::Node& steps);
// `base` with numbers in place of texts. UserError at the step's place where it does not fit the field.
DatasetPtr apply_text_steps(DatasetPtr base, const spec::Node& steps, bool inputs_only);

}  // namespace dl
