// The gradient of op_scan: a scan that walks the steps backwards with the body's own gradient as its body. The states before each step
// come from a second forward scan that also gives them; where both are written out, their steps are the same nodes.
// Who uses it: gradient.cpp.
#pragma once

#include <vector>

#include "graph/op_def.h"

namespace dl {

// One gradient per operand; an invalid Var for those that hold no floats.
std::vector<Var> differentiate_scan(const GradCall& call);

}  // namespace dl
