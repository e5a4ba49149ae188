#include "tensor/cast.h"

#include <doctest/doctest.h>

#include <cstring>

using namespace dl;

namespace {

// Above two pieces, not a whole number of them.
Tensor many() {
  Tensor t(DType::kFloat32, {3, 200'001});
  for (int64_t i = 0; i < t.size(); ++i) t.data<float>()[i] = static_cast<float>(i) * 0.37f - 60'000;
  return t;
}

}  // namespace

TEST_CASE("pieces of a tensor are the bytes of its cast, in order") {
  const Tensor t = many();
  for (const DType dtype : {DType::kFloat16, DType::kFloat64, DType::kInt32, DType::kFloat32}) {
    const Tensor expected = t.cast(dtype);
    size_t done = 0, pieces = 0;
    for_each_piece(t, dtype, [&](const void* bytes, size_t count) {
      REQUIRE(done + count <= expected.bytes());
      CHECK(std::memcmp(static_cast<const char*>(expected.raw()) + done, bytes, count) == 0);
      done += count;
      ++pieces;
    });
    CHECK(done == expected.bytes());
    CHECK((pieces == 1) == (dtype == t.dtype()));
  }
  for_each_piece(Tensor(DType::kFloat32, {0, 4}), DType::kFloat16, [](const void*, size_t) { FAIL("an empty tensor has no pieces"); });
}

TEST_CASE("a tensor from pieces is the cast of what is stored") {
  const Tensor stored = many().cast(DType::kFloat16);
  for (const DType dtype : {DType::kFloat32, DType::kFloat16}) {
    uint64_t next = 0;
    const Tensor t = from_pieces(stored.dtype(), stored.dims(), dtype, [&](uint64_t offset, void* bytes, size_t count) {
      CHECK(offset == next);
      std::memcpy(bytes, static_cast<const char*>(stored.raw()) + offset, count);
      next = offset + count;
    });
    CHECK(next == stored.bytes());
    CHECK(bit_equal(t, stored.cast(dtype)));
  }
}
