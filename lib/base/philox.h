// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11).
// A value is a pure function of (seed, stream, counter), so dropout, shuffling and initialisers need no state,
// give the same numbers on any thread and rank count, and resume by knowing the step number.
#pragma once

#include <array>
#include <cstdint>

namespace dl {

using PhiloxBlock = std::array<uint32_t, 4>;

inline PhiloxBlock philox4x32(PhiloxBlock counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(p0)};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// The block at `index` of the sequence named by (seed, stream). 2^64 blocks each.
inline PhiloxBlock random_block(uint64_t seed, uint64_t stream, uint64_t index) {
  return philox4x32({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32), static_cast<uint32_t>(stream),
                     static_cast<uint32_t>(stream >> 32)},
                    static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
}

// [0, 1) with 24 random bits; [0, 1) with 53.
inline float to_unit_float(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }
inline double to_unit_double(uint32_t hi, uint32_t lo) { return static_cast<double>((uint64_t{hi} << 21) ^ (lo >> 11)) * 0x1p-53; }

// A sequential reader over one (seed, stream); for host-side use (shuffles, initialisers, samples).
class RandomSequence {
 public:
  RandomSequence(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}
  uint32_t next_u32();
  double next_unit();                   // [0, 1)
  double next_normal();                 // mean 0, standard deviation 1 (Box-Muller)
  uint64_t next_below(uint64_t bound);  // [0, bound), unbiased (rejection); bound > 0

 private:
  uint64_t seed_, stream_, index_ = 0;
  PhiloxBlock block_{};
  int used_ = 4;
};

// FNV-1a, used to derive stream numbers from names.
uint64_t hash_name(const char* data, uint64_t size);

}  // namespace dl
