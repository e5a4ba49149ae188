#include "base/philox.h"

#include <doctest/doctest.h>

using namespace dl;

// Known-answer vectors of Random123 (kat_vectors, philox4x32 10).
TEST_CASE("philox4x32-10 gives the published vectors") {
  CHECK(philox4x32({0, 0, 0, 0}, 0, 0) == PhiloxBlock{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
  CHECK(philox4x32({~0u, ~0u, ~0u, ~0u}, ~0u, ~0u) == PhiloxBlock{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
  CHECK(philox4x32({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, 0xa4093822u, 0x299f31d0u) ==
        PhiloxBlock{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u});
}

TEST_CASE("a random sequence is uniform, normal and repeatable") {
  RandomSequence a(7, 3), b(7, 3), other(7, 4);
  double mean = 0, square = 0;
  bool differs = false;
  for (int i = 0; i < 20000; ++i) {
    const double x = a.next_normal();
    CHECK(x == b.next_normal());
    differs = differs || x != other.next_normal();
    mean += x / 20000;
    square += x * x / 20000;
  }
  CHECK(differs);
  CHECK(mean == doctest::Approx(0).epsilon(0.03));
  CHECK(square == doctest::Approx(1).epsilon(0.03));
  for (int i = 0; i < 1000; ++i) CHECK(a.next_below(3) < 3);
}
