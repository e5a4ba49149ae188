// Keras's activation functions by name ("relu", "gelu", "hard_sigmoid", ...), as graph builders.
#pragma once

#include <span>
#include <string_view>

#include "graph/var.h"

namespace dl {

std::span<const std::string_view> activation_names();
// DL_CHECKs that the name is known; validate against activation_names() first.
Var apply_activation(std::string_view name, Var x);

}  // namespace dl
