// Memory planner: places blocks that live over intervals of steps in one arena so that no two live blocks overlap.
// Largest first, into the smallest gap that fits (Pisarchyk & Lee, "Efficient memory management for deep neural net
// inference", MLSys 2020). Pure: no graph, no device.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace dl {

inline constexpr size_t kAlignment = 64;
inline size_t align_up(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

struct Block {
  size_t bytes = 0;
  int first_step = 0;  // alive in [first_step, last_step]
  int last_step = 0;
};

struct Placement {
  std::vector<size_t> offsets;  // parallel to the blocks, multiples of kAlignment
  size_t arena_bytes = 0;
};

Placement place_blocks(std::span<const Block> blocks);

}  // namespace dl
