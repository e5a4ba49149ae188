// Hashes of bytes that TensorFlow, and so Keras, put values into bins with: FarmHash's 64-bit fingerprint (github.com/google/farmhash),
// SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"), and how fingerprints of several values become one.
// Who uses it: layers Hashing, HashedCrossing and IntegerLookup through the operator hash_bucket; the same steps of text in data/.
// Invariant: the values are the same on every machine and in every version.
#pragma once

#include <cstdint>
#include <string_view>

namespace dl {

uint64_t farm_fingerprint(std::string_view bytes);
uint64_t sip_hash(std::string_view bytes, uint64_t key0, uint64_t key1);

// Starts from kCrossingStart, then takes one value after the other: an integer itself, a text's fingerprint.
inline constexpr uint64_t kCrossingStart = 0xDECAFCAFFE;
uint64_t join_fingerprints(uint64_t first, uint64_t second);

}  // namespace dl
