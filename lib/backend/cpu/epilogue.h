// An activation applied in place to the result of another kernel, as the last part of a fused operator. oneDNN's own post-ops are not
// used for it: its relu turns NaN into 0, which would hide a diverged model.
#pragma once

#include <memory>
#include <string>

#include "backend/kernel.h"

namespace dl::cpu {

// `kernel`, followed by the activation ("linear", or a row of ops/elementwise.def) over all bytes of output 0. Null when there is no
// loop for the element type, or when it would give padding lanes another value than 0.
std::unique_ptr<Kernel> with_activation(std::unique_ptr<Kernel> kernel, const std::string& activation, const NodeView& node);

}  // namespace dl::cpu
