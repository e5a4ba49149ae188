#include "plan/memory.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

namespace dl {
namespace {

bool overlap_in_time(const Block& a, const Block& b) { return a.first_step <= b.last_step && b.first_step <= a.last_step; }

}  // namespace

Placement place_blocks(std::span<const Block> blocks) {
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return blocks[a].bytes > blocks[b].bytes; });
  Placement result;
  result.offsets.assign(blocks.size(), 0);
  std::vector<size_t> placed;  // by offset
  for (size_t index : order) {
    const Block& block = blocks[index];
    const size_t bytes = align_up(block.bytes);
    size_t best_offset = 0, best_gap = SIZE_MAX, end = 0;
    bool found = false;
    for (size_t other : placed) {
      if (!overlap_in_time(block, blocks[other])) continue;
      const size_t start = result.offsets[other];
      if (start > end && start - end >= bytes && start - end < best_gap) {
        best_offset = end, best_gap = start - end, found = true;
      }
      end = std::max(end, start + align_up(blocks[other].bytes));
    }
    if (!found) best_offset = end;
    result.offsets[index] = best_offset;
    result.arena_bytes = std::max(result.arena_bytes, best_offset + bytes);
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), index, [&](size_t a, size_t b) { return result.offsets[a] < result.offsets[b]; }),
        index);
  }
  return result;
}

}  // namespace dl
