// NumPy broadcasting of symbolic shapes, and its adjoint.
#pragma once

#include <initializer_list>

#include "graph/op_def.h"

namespace dl {

// Trailing axes align; sizes must be equal or 1. infer_error with both shapes otherwise.
Shape broadcast_shapes(const InferCall& call, std::initializer_list<Shape> shapes);

}  // namespace dl
