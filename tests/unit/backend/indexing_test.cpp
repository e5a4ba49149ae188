// Operators on places and bits, and the arithmetic of integers: exact in every type, wrapping around at its ends.
#include "ops/indexing.h"

#include <doctest/doctest.h>

#include <limits>

#include "base/error.h"
#include "ops/ops.h"
#include "unit/backend/kernel_case.h"

using namespace dl;

namespace {

template <class T>
Tensor vec(std::vector<T> values) {
  const auto n = static_cast<int64_t>(values.size());
  return Tensor::from<T>({n}, values);
}

std::vector<Tensor> reference(const OpDef& op, std::vector<Tensor> inputs, const Attrs& attrs = {}) {
  static const std::unique_ptr<Backend> backend = make_cpu_backend();
  const KernelRow* row = find_row(*backend, op.name, "reference");
  REQUIRE(row);
  return run_row(*backend, *row, {op, std::move(inputs), complete_attrs(op, attrs), {}}).outputs;
}

template <class T>
std::vector<T> list(const Tensor& t) {
  return {t.data<T>(), t.data<T>() + t.size()};
}

template <class T>
std::vector<T> binary(const OpDef& op, std::vector<T> a, std::vector<T> b) {
  return list<T>(reference(op, {vec(std::move(a)), vec(std::move(b))})[0]);
}

using I8 = std::vector<int8_t>;
using U8 = std::vector<uint8_t>;
using I64 = std::vector<int64_t>;
using F32 = std::vector<float>;
constexpr int64_t kBig = (int64_t{1} << 62) + 1;  // not a float64

}  // namespace

TEST_CASE("integers are divided exactly in 64 bits") {
  CHECK(binary<int64_t>(op_div, {kBig, 7, -7, 7, -7}, {1, 2, 2, -2, -2}) == I64{kBig, 3, -3, -3, 3});
  CHECK(binary<int64_t>(op_mod, {kBig, 7, -7, 7, -7}, {10, 3, 3, -3, -3}) == I64{kBig % 10, 1, 2, -2, -1});
  CHECK(binary<int64_t>(op_fmod, {kBig, 7, -7, 7, -7}, {10, 3, 3, -3, -3}) == I64{kBig % 10, 1, -1, 1, -1});
  CHECK(binary<int64_t>(op_pow, {3, -3, 0, 2}, {39, 39, 0, 62}) == I64{4052555153018976267, -4052555153018976267, 1, int64_t{1} << 62});
  const int64_t lowest = std::numeric_limits<int64_t>::min();
  CHECK(binary<int64_t>(op_div, {lowest}, {-1}) == I64{lowest});
  CHECK(binary<int64_t>(op_mod, {lowest}, {-1}) == I64{0});
  CHECK(binary<int64_t>(op_fmod, {lowest, 5}, {-1, 0}) == I64{0, 0});
  CHECK(binary<uint64_t>(op_div, {~uint64_t{0}}, {3}) == std::vector<uint64_t>{~uint64_t{0} / 3});
  CHECK(list<int64_t>(reference(op_abs, {vec<int64_t>({-kBig, kBig})})[0]) == I64{kBig, kBig});
}

TEST_CASE("small integers wrap around") {
  CHECK(binary<int8_t>(op_add, {100, -100}, {100, -100}) == I8{-56, 56});
  CHECK(binary<uint8_t>(op_sub, {3}, {5}) == U8{254});
  CHECK(binary<int8_t>(op_div, {-128}, {-1}) == I8{-128});
  CHECK(list<int8_t>(reference(op_cumsum, {vec<int8_t>({100, 100, 100})}, {{"axis", int64_t{0}}})[0]) == I8{100, -56, 44});
}

TEST_CASE("shifts by the width and more give 0") {
  CHECK(binary<uint8_t>(op_shift_left, {255, 1, 1, 1}, {1, 7, 8, 255}) == U8{254, 128, 0, 0});
  CHECK(binary<uint8_t>(op_shift_right, {255, 128, 1, 1}, {1, 7, 8, 255}) == U8{127, 1, 0, 0});
  CHECK(binary<int8_t>(op_shift_right, {-128, -1}, {1, 3}) == I8{-64, -1});
  CHECK(list<uint8_t>(reference(op_bitwise_not, {vec<uint8_t>({0, 5})})[0]) == U8{255, 250});
}

TEST_CASE("top_k: equal elements by place, NaN above all") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  const Tensor x = vec<float>({1, nan, 3, 3, inf, -inf});
  const auto largest = reference(op_top_k, {x}, {{"axis", int64_t{0}}, {"k", Shape{4}}, {"largest", int64_t{1}}});
  CHECK(list<int64_t>(largest[1]) == I64{1, 4, 2, 3});
  const auto smallest = reference(op_top_k, {x}, {{"axis", int64_t{0}}, {"k", Shape{6}}, {"largest", int64_t{0}}});
  CHECK(list<int64_t>(smallest[1]) == I64{5, 0, 2, 3, 4, 1});
}

TEST_CASE("scatter_elements joins in order and refuses places outside") {
  const Tensor x = vec<float>({1, 2, 3}), at = vec<int64_t>({2, 0, 2}), updates = vec<float>({5, -4, 7});
  const auto scatter = [&](Scatter mode) {
    return list<float>(reference(op_scatter_elements, {x, at, updates}, {{"axis", int64_t{0}}, {"mode", static_cast<int64_t>(mode)}})[0]);
  };
  CHECK(scatter(Scatter::kReplace) == F32{-4, 2, 7});
  CHECK(scatter(Scatter::kAdd) == F32{-3, 2, 15});
  CHECK(scatter(Scatter::kMultiply) == F32{-4, 2, 105});
  CHECK(scatter(Scatter::kMaximum) == F32{1, 2, 7});
  CHECK(scatter(Scatter::kMinimum) == F32{-4, 2, 3});
  for (const int64_t bad : {-1, 3}) {
    CHECK_THROWS_AS(reference(op_scatter_elements, {x, vec<int64_t>({bad}), vec<float>({0})}, {{"axis", int64_t{0}}}), UserError);
    CHECK_THROWS_AS(reference(op_gather_elements, {x, vec<int64_t>({bad})}, {{"axis", int64_t{0}}}), UserError);
  }
}

TEST_CASE("determinants exchange rows where a pivot is 0") {
  const auto det = [](Dims dims, F32 values) { return reference(op_determinant, {Tensor::from<float>(std::move(dims), values)})[0].at(0); };
  CHECK(det({2, 2}, {0, 2, 3, 4}) == -6);
  CHECK(det({3, 3}, {0, 0, 1, 0, 1, 0, 1, 0, 0}) == -1);
  CHECK(det({2, 2}, {1, 2, 2, 4}) == 0);
  CHECK(det({0, 0}, {}) == 1);
}
