// What every writer says of a model that its format cannot hold, in the same words and all at once.
// Who uses it: write_model (format.h) and the writers.
#pragma once

#include <string>
#include <vector>

namespace dl {

// FileError "PATH: cannot be written as FORMAT:" with the hindrances, a line each; nothing where there are none.
void refuse_if_any(const std::vector<std::string>& hindrances, const std::string& path, const char* format);

}  // namespace dl
