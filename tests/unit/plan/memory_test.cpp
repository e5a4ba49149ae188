#include "plan/memory.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/philox.h"

using namespace dl;

TEST_CASE("no two blocks that live at the same time overlap, and memory is reused") {
  RandomSequence random(11, 0);
  for (int round = 0; round < 200; ++round) {
    std::vector<Block> blocks;
    size_t sum = 0;
    for (uint64_t n = random.next_below(60) + 1; n-- > 0;) {
      const int first = static_cast<int>(random.next_below(30));
      blocks.push_back({static_cast<size_t>(random.next_below(5000)), first, first + static_cast<int>(random.next_below(8))});
      sum += align_up(blocks.back().bytes);
    }
    const Placement p = place_blocks(blocks);
    CHECK(p.arena_bytes <= sum);
    size_t busiest = 0;
    for (int step = 0; step < 40; ++step) {
      size_t live = 0;
      for (const Block& b : blocks) live += b.first_step <= step && step <= b.last_step ? align_up(b.bytes) : 0;
      busiest = std::max(busiest, live);
    }
    CHECK(p.arena_bytes >= busiest);
    for (size_t a = 0; a < blocks.size(); ++a) {
      CHECK(p.offsets[a] % kAlignment == 0);
      CHECK(p.offsets[a] + blocks[a].bytes <= p.arena_bytes);
      for (size_t b = a + 1; b < blocks.size(); ++b) {
        const bool together = blocks[a].first_step <= blocks[b].last_step && blocks[b].first_step <= blocks[a].last_step;
        const bool apart =
            p.offsets[a] + align_up(blocks[a].bytes) <= p.offsets[b] || p.offsets[b] + align_up(blocks[b].bytes) <= p.offsets[a];
        CHECK((!together || apart || blocks[a].bytes == 0 || blocks[b].bytes == 0));
      }
    }
  }
}

TEST_CASE("a chain of equal blocks needs two of them") {
  std::vector<Block> blocks;
  for (int i = 0; i < 10; ++i) blocks.push_back({1000, i, i + 1});
  CHECK(place_blocks(blocks).arena_bytes == 2 * 1024);
}
