#include "base/philox.h"

#include <cmath>
#include <numbers>

namespace dl {

uint32_t RandomSequence::next_u32() {
  if (used_ == 4) {
    block_ = random_block(seed_, stream_, index_++);
    used_ = 0;
  }
  return block_[static_cast<size_t>(used_++)];
}

double RandomSequence::next_unit() {
  const uint32_t hi = next_u32();
  return to_unit_double(hi, next_u32());
}

double RandomSequence::next_normal() {
  const double u = 1.0 - next_unit();  // (0, 1], so that the logarithm is finite
  const double v = next_unit();
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

uint64_t RandomSequence::next_below(uint64_t bound) {
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  for (;;) {
    const uint64_t hi = next_u32();
    const uint64_t value = hi << 32 | next_u32();
    if (value < limit) return value % bound;
  }
}

uint64_t hash_name(const char* data, uint64_t size) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (uint64_t i = 0; i < size; ++i) hash = (hash ^ static_cast<unsigned char>(data[i])) * 0x100000001b3u;
  return hash;
}

}  // namespace dl
