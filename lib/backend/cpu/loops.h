// The parts of loop_rows(): each file of loops_*.cpp appends its rows.
#pragma once

#include <vector>

#include "backend/kernel.h"

namespace dl::cpu {

void append_move_loops(std::vector<KernelRow>& rows);    // reshape, transpose, broadcast_to, slice, pad, concat, iota, size_of
void append_gather_loops(std::vector<KernelRow>& rows);  // gather, scatter_add
void append_reduce_loops(std::vector<KernelRow>& rows);  // reductions, arg_max
void append_random_loops(std::vector<KernelRow>& rows);  // random_uniform

}  // namespace dl::cpu
