// The order in which a plan runs the nodes of a Program.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/program.h"

namespace dl {

// Live nodes in an order that respects operands: index order, except that reductions over ranks, parameter updates and
// scalars run as soon as their operands are there. So exchange overlaps the rest of the backward pass, and a gradient's
// memory is free again once it is used.
std::vector<uint32_t> schedule(const Program& program);

}  // namespace dl
