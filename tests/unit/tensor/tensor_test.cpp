#include "tensor/tensor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "tensor/half.h"

using namespace dl;

TEST_CASE("casts keep values and int64 keeps its low bits") {
  const std::vector<int64_t> big = {(int64_t{1} << 53) + 1, -7};
  const Tensor t = Tensor::from<int64_t>({2}, big);
  CHECK(t.cast(DType::kUInt64).data<uint64_t>()[0] == (uint64_t{1} << 53) + 1);
  CHECK(t.cast(DType::kFloat32).at(1) == -7);
  CHECK(bit_equal(t, t.clone()));
}

TEST_CASE("bfloat16 and float16 round to nearest even") {
  CHECK(to_float(to_bfloat16(1.00390625f)) == 1.0f);       // halfway, even below
  CHECK(to_float(to_bfloat16(1.01171875f)) == 1.015625f);  // halfway, even above
  CHECK(std::isnan(to_float(to_bfloat16(NAN))));
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {  // every float16 survives the way through float32
    const float16 half{static_cast<uint16_t>(bits)};
    const float f = to_float(half);
    if (std::isnan(f))
      CHECK(std::isnan(to_float(to_float16(f))));
    else
      CHECK(to_float16(f).bits == half.bits);
  }
  CHECK(to_float(to_float16(65520.0f)) == INFINITY);
  CHECK(to_float(to_float16(65519.0f)) == 65504.0f);
}

TEST_CASE("shapes that overflow are refused") {
  CHECK_THROWS_AS(Tensor(DType::kFloat32, {65536, 65536, 65536, 65536}), FileError);
  CHECK_THROWS_AS(Tensor(DType::kFloat32, {-1}), FileError);
  CHECK(Tensor(DType::kFloat32, {0, 5}).size() == 0);
}
