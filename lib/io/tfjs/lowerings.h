// Every layer class that can be written for TF.js: one function each, in the lower_*.cpp of its family; lower_table.cpp is the list.
#pragma once

#include <vector>

#include "io/tfjs/call.h"

namespace dl::tfjs {

#define DL_TFJS_LAYER(class_name, name) \
  std::vector<Ref> lower_##name(const Call& c, const std::vector<Ref>& in, const std::vector<Shape>& out);
#include "io/tfjs/lowerings.def"
#undef DL_TFJS_LAYER

}  // namespace dl::tfjs
