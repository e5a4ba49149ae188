// The CPU's kernel rows. Each file of backend/cpu defines one list; cpu_backend.cpp puts them in order: for one
// operator, rows of an earlier list come first. The reference lists come last and accept everything in plain layout.
#pragma once

#include <span>

#include "backend/kernel.h"

namespace dl::cpu {

std::span<const KernelRow> onednn_rows();       // convolution, pooling, batch norm, matmul (onednn_*.cpp)
std::span<const KernelRow> fused_rows();        // own fused kernels: softmax, losses, layer norm, recurrent cells, optimizers
std::span<const KernelRow> elementwise_rows();  // rows of ops/elementwise.def, select, cast
std::span<const KernelRow> loop_rows();         // shape operators, reductions, gather, random
std::span<const KernelRow> reference_rows();    // plain scalar loops over any type, accumulating in double

}  // namespace dl::cpu
