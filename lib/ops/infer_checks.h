// Checks shared by the infer functions of the neural-network operators: element types and ranks of operands.
#pragma once

#include "graph/op_def.h"

namespace dl {

// Every operand in [first, last) is a float tensor of the same type.
inline void check_same_float(const InferCall& call, size_t first, size_t last) {
  for (size_t i = first; i < last; ++i) {
    if (!is_float(call.inputs[i].dtype)) infer_error(call, "operand " + std::to_string(i) + " must hold floats");
    if (call.inputs[i].dtype != call.inputs[first].dtype) infer_error(call, "operands must have the same type");
  }
}

inline void check_shape(const InferCall& call, size_t index, const Shape& wanted, const char* what) {
  if (call.inputs[index].shape != wanted)
    infer_error(call, std::string(what) + " must have shape " + to_string(wanted) + ", not " + to_string(call.inputs[index].shape));
}

}  // namespace dl
