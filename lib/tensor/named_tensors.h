// NamedTensors: tensors with names, in an order that means something (that of a file, of a model's inputs).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tensor/tensor.h"

namespace dl {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

}  // namespace dl
