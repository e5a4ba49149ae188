// What a resumed run may change and what it did change.
#pragma once

#include <string>
#include <vector>

#include "train/run_spec.h"

namespace dl {

// "training.epochs: 3 -> 5" for each difference between the run a checkpoint was saved by and `now`. UserError listing the
// differences that would make the continuation another run (model, data, seed, batch size, ...).
std::vector<std::string> describe_changes(const std::string& saved_spec, const RunSpec& now);

}  // namespace dl
