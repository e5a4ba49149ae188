// NeedsInput: a model of operators cannot be read without knowing the value, or the sizes, of some of its inputs.
// Who throws it: readers of graph formats (lib/io/onnx). Who catches it: commands that have the values (predict) and read again
// with ReadOptions::given. To everybody else it is a FileError.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace dl {

struct NeedsInput : FileError {
  NeedsInput(std::vector<std::string> names, std::string message) : FileError(std::move(message)), inputs(std::move(names)) {}
  std::vector<std::string> inputs;
};

}  // namespace dl
