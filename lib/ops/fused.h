// Operators that only the fusion pass creates, after autodiff: a product with its bias and activation in one kernel.
#pragma once

#include <span>
#include <string>

#include "graph/var.h"
#include "ops/nn.h"

namespace dl {

// Values of the attribute "activation".
inline constexpr const char* kFusedActivations[] = {"linear", "relu", "sigmoid", "tanh"};

// activation(conv(x, kernel) + bias); bias [out].
Var conv_bias(Var x, Var kernel, Var bias, const Window& window, int64_t groups, const std::string& activation);
// activation(matmul(a, b) + bias); bias: the size of the result's last axis.
Var matmul_bias(Var a, Var b, Var bias, bool transpose_a, bool transpose_b, const std::string& activation);

}  // namespace dl
