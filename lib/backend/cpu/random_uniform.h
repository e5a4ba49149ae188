// The numbers of operator random_uniform, the same from every kernel and device.
//
// Element i (row-major) takes word i % 4 of the Philox4x32-10 block
//   counter = {i / 4, step, stream low, stream high}, key = {seed low, seed high}
// where i / 4 and step (the counter operand) are taken modulo 2^32: a tensor has at most 2^34 elements. The upper 24
// bits w of the word give w * 2^-24 in float32 and in float64 (so both see the same numbers); bfloat16 and float16 use
// the upper 8 and 11 bits. Results are in [0, 1).
#pragma once

#include <cstdint>

#include "backend/cpu/dispatch.h"
#include "base/philox.h"

namespace dl::cpu {

inline PhiloxBlock uniform_block(uint64_t seed, uint64_t stream, int64_t step, int64_t block) {
  return random_block(seed, stream, (static_cast<uint64_t>(step) << 32) | static_cast<uint32_t>(block));
}

template <class T>
T to_uniform(uint32_t word) {
  constexpr int bits = std::is_same_v<T, bfloat16> ? 8 : std::is_same_v<T, float16> ? 11 : 24;
  return convert<T>(static_cast<float>(static_cast<int32_t>(word >> (32 - bits))) * (1.0f / static_cast<float>(1 << bits)));
}

}  // namespace dl::cpu
