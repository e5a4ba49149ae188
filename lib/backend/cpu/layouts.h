// The CPU's physical layouts and the copies between them.
// Who uses it: cpu_backend.cpp and kernels that want other layouts than row-major.
#pragma once

#include <memory>

#include "backend/kernel.h"

namespace dl::cpu {

std::unique_ptr<LayoutTable> make_layout_table();
// Copies one tensor from a layout to another; both operands have the same element type and dims.
std::unique_ptr<Kernel> prepare_reorder(LayoutTable& table, const OperandType& from, const OperandType& to);

}  // namespace dl::cpu
