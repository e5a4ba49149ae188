#include "backend/cpu/random_isa.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "backend/cpu/isa.h"

namespace dl::cpu::DL_ISA {
namespace {

constexpr int64_t kLanes = 16;

// Philox4x32-10 of base/philox.h for 16 neighbouring blocks at a time; words[4 * block + i].
#ifdef __AVX2__

// Each 64-bit lane holds one 32-bit word in its lower half; what is in the upper half never gets down.
void fill_lanes(uint64_t seed, uint64_t stream, int64_t step, int64_t first, uint32_t* words) {
  constexpr int kVectors = kLanes / 4;
  const __m256i m0 = _mm256_set1_epi64x(0xD2511F53), m1 = _mm256_set1_epi64x(0xCD9E8D57);
  __m256i c0[kVectors], c1[kVectors], c2[kVectors], c3[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    c0[v] = _mm256_add_epi64(_mm256_set1_epi64x(first + 4 * v), _mm256_set_epi64x(3, 2, 1, 0));
    c1[v] = _mm256_set1_epi64x(step);
    c2[v] = _mm256_set1_epi64x(static_cast<int64_t>(stream));
    c3[v] = _mm256_set1_epi64x(static_cast<int64_t>(stream >> 32));
  }
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    const __m256i key0 = _mm256_set1_epi64x(k0), key1 = _mm256_set1_epi64x(k1);
    for (int v = 0; v < kVectors; ++v) {
      const __m256i p0 = _mm256_mul_epu32(c0[v], m0), p1 = _mm256_mul_epu32(c2[v], m1);
      c0[v] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), c1[v]), key0);
      c2[v] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), c3[v]), key1);
      c1[v] = p1;
      c3[v] = p0;
    }
  }
  const __m256i low = _mm256_set1_epi64x(0xffffffff);
  for (int v = 0; v < kVectors; ++v) {
    const __m256i c01 = _mm256_or_si256(_mm256_and_si256(c0[v], low), _mm256_slli_epi64(c1[v], 32));
    const __m256i c23 = _mm256_or_si256(_mm256_and_si256(c2[v], low), _mm256_slli_epi64(c3[v], 32));
    const __m256i even = _mm256_unpacklo_epi64(c01, c23), odd = _mm256_unpackhi_epi64(c01, c23);  // blocks 0 and 2, 1 and 3
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + 16 * v), _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + 16 * v + 8), _mm256_permute2x128_si256(even, odd, 0x31));
  }
}

#else

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

#endif

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
