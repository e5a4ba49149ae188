#include "base/fingerprint.h"

#include <array>
#include <bit>
#include <cstring>
#include <utility>

namespace dl {
namespace {

constexpr uint64_t kPrime0 = 0xc3a5c85c97cb3127, kPrime1 = 0xb492b66fbe98f273, kPrime2 = 0x9ae16a3b2f90404f;

// Little-endian, wherever we run.
template <class T>
T load_le(const char* p) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value |= static_cast<T>(static_cast<T>(static_cast<unsigned char>(p[i])) << (8 * i));
  return value;
}
uint64_t load64(const char* p) { return load_le<uint64_t>(p); }

uint64_t fold(uint64_t x) { return x ^ (x >> 47); }
uint64_t mix(uint64_t u, uint64_t v, uint64_t mul) {
  const uint64_t a = fold((u ^ v) * mul);
  return fold((v ^ a) * mul) * mul;
}

uint64_t farm_16(const char* s, uint64_t n) {
  const uint64_t mul = kPrime2 + 2 * n;
  if (n >= 8) {
    const uint64_t a = load64(s) + kPrime2, b = load64(s + n - 8);
    return mix(std::rotr(b, 37) * mul + a, (std::rotr(a, 25) + b) * mul, mul);
  }
  if (n >= 4) return mix(n + (uint64_t{load_le<uint32_t>(s)} << 3), load_le<uint32_t>(s + n - 4), mul);
  if (n == 0) return kPrime2;
  const auto byte = [&](uint64_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(s[i])); };
  const uint32_t y = byte(0) + (byte(n / 2) << 8), z = static_cast<uint32_t>(n) + (byte(n - 1) << 2);
  return fold(y * kPrime2 ^ z * kPrime0) * kPrime2;
}

// What both middle lengths begin with.
struct Ends {
  uint64_t mul, a, b, c, d, sum, other;
  Ends(const char* s, uint64_t n, uint64_t first)
      : mul(kPrime2 + 2 * n),
        a(load64(s) * first),
        b(load64(s + 8)),
        c(load64(s + n - 8) * mul),
        d(load64(s + n - 16) * kPrime2),
        sum(std::rotr(a + b, 43) + std::rotr(c, 30) + d),
        other(a + std::rotr(b + kPrime2, 18) + c) {}
};

uint64_t farm_32(const char* s, uint64_t n) {
  const Ends ends(s, n, kPrime1);
  return mix(ends.sum, ends.other, ends.mul);
}

uint64_t farm_64(const char* s, uint64_t n) {
  const Ends ends(s, n, kPrime2);
  const uint64_t z = mix(ends.sum, ends.other, ends.mul);
  const uint64_t e = load64(s + 16) * ends.mul, f = load64(s + 24);
  const uint64_t g = (ends.sum + load64(s + n - 32)) * ends.mul, h = (z + load64(s + n - 24)) * ends.mul;
  return mix(std::rotr(e + f, 43) + std::rotr(g, 30) + h, e + std::rotr(f + ends.a, 18) + g, ends.mul);
}

using Pair = std::pair<uint64_t, uint64_t>;
// 32 bytes into two seeds.
Pair take_32(const char* s, uint64_t a, uint64_t b) {
  a += load64(s);
  b = std::rotr(b + a + load64(s + 24), 21);
  const uint64_t before = a;
  a += load64(s + 8) + load64(s + 16);
  b += std::rotr(a, 44);
  return {a + load64(s + 24), b + before};
}

// The state of the long form, 64 bytes a turn; `scale` is 9 in the last turn.
struct Long {
  uint64_t x, y, z;
  Pair v{0, 0}, w{0, 0};

  void turn(const char* s, uint64_t mul, uint64_t scale) {
    x = std::rotr(x + y + v.first + load64(s + 8), 37) * mul;
    y = std::rotr(y + v.second + load64(s + 48), 42) * mul;
    x ^= w.second * scale;
    y += v.first * scale + load64(s + 40);
    z = std::rotr(z + w.first, 33) * mul;
    v = take_32(s, v.second * mul, x + w.first);
    w = take_32(s + 32, z + w.second, y + load64(s + 16));
    std::swap(z, x);
  }
};

uint64_t farm_long(const char* s, uint64_t n) {
  constexpr uint64_t kSeed = 81;
  const uint64_t y = kSeed * kPrime1 + 113;
  Long state{kSeed * kPrime2 + load64(s), y, fold(y * kPrime2 + 113) * kPrime2};
  const uint64_t rest = (n - 1) & 63;
  const char* end = s + (n - 1) / 64 * 64;
  for (; s != end; s += 64) state.turn(s, kPrime1, 1);
  const uint64_t mul = kPrime1 + ((state.z & 0xff) << 1);
  state.w.first += rest;
  state.v.first += state.w.first;
  state.w.first += state.v.first;
  state.turn(end + rest - 63, mul, 9);
  return mix(mix(state.v.first, state.w.first, mul) + fold(state.y) * kPrime0 + state.z, mix(state.v.second, state.w.second, mul) + state.x,
             mul);
}

struct Sip {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
  void take(uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

}  // namespace

uint64_t farm_fingerprint(std::string_view bytes) {
  const char* s = bytes.data();
  const size_t n = bytes.size();
  return n <= 16 ? farm_16(s, n) : n <= 32 ? farm_32(s, n) : n <= 64 ? farm_64(s, n) : farm_long(s, n);
}

uint64_t sip_hash(std::string_view bytes, uint64_t key0, uint64_t key1) {
  // The initial values spell "somepseudorandomlygeneratedbytes".
  Sip state{key0 ^ 0x736f6d6570736575, key1 ^ 0x646f72616e646f6d, key0 ^ 0x6c7967656e657261, key1 ^ 0x7465646279746573};
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) state.take(load64(bytes.data() + at));
  std::array<char, 8> last{};
  if (at < bytes.size()) std::memcpy(last.data(), bytes.data() + at, bytes.size() - at);
  last[7] = static_cast<char>(bytes.size());
  state.take(load64(last.data()));
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

uint64_t join_fingerprints(uint64_t first, uint64_t second) {
  constexpr uint64_t kMultiplier = 0xc6a4a7935bd1e995;
  uint64_t result = first ^ kMultiplier;
  result ^= fold(second * kMultiplier) * kMultiplier;
  result *= kMultiplier;
  return fold(fold(result) * kMultiplier);
}

}  // namespace dl
