// Products of small integers, exact: float32 kernels on pieces whose sums stay below 2^24, added in int32.
// Who uses it: import_quantize.cpp.
#pragma once

#include "ops/nn.h"

namespace dl::onnx {

// a [..., m, k], b [..., k, n]: int32 that hold at most 255 in magnitude; the result int32.
Var exact_matmul(Var a, Var b);
// x [n, channels, places...], kernel [places..., channels / groups, out] as conv(); likewise.
Var exact_conv(Var x, Var kernel, const Window& window, int64_t groups);

}  // namespace dl::onnx
