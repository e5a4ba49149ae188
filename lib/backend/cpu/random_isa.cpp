#include "backend/cpu/random_isa.h"

#include "backend/cpu/isa.h"

namespace dl::cpu::DL_ISA {
namespace {

constexpr int64_t kLanes = 16;

// Philox4x32-10 of base/philox.h for 16 neighbouring blocks at a time; words[4 * block + i].
void fill_lanes(uint64_t seed, uint64_t stream, int64_t step, int64_t first, uint32_t* words) {
  uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (int64_t j = 0; j < kLanes; ++j) {
    c0[j] = static_cast<uint32_t>(first + j), c1[j] = static_cast<uint32_t>(step);
    c2[j] = static_cast<uint32_t>(stream), c3[j] = static_cast<uint32_t>(stream >> 32);
  }
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    for (int64_t j = 0; j < kLanes; ++j) {
      const uint64_t p0 = uint64_t{0xD2511F53u} * c0[j], p1 = uint64_t{0xCD9E8D57u} * c2[j];
      c0[j] = static_cast<uint32_t>(p1 >> 32) ^ c1[j] ^ k0;
      c2[j] = static_cast<uint32_t>(p0 >> 32) ^ c3[j] ^ k1;
      c1[j] = static_cast<uint32_t>(p1), c3[j] = static_cast<uint32_t>(p0);
    }
  for (int64_t j = 0; j < kLanes; ++j) words[4 * j] = c0[j], words[4 * j + 1] = c1[j], words[4 * j + 2] = c2[j], words[4 * j + 3] = c3[j];
}

void fill(uint64_t seed, uint64_t stream, int64_t step, int64_t begin, int64_t end, uint32_t* words) {
  for (; begin + kLanes <= end; begin += kLanes, words += 4 * kLanes) fill_lanes(seed, stream, step, begin, words);
  if (begin == end) return;
  uint32_t rest[4 * kLanes];
  fill_lanes(seed, stream, step, begin, rest);
  for (int64_t i = 0; i < 4 * (end - begin); ++i) words[i] = rest[i];
}

}  // namespace

UniformLoop uniform_loop() { return fill; }

}  // namespace dl::cpu::DL_ISA
