// matmul by own loops and by oneDNN against the scalar reference in double.
#include <doctest/doctest.h>

#include <random>

#include "base/parallel.h"
#include "ops/builders.h"
#include "ops/fused.h"
#include "ops/ops.h"
#include "unit/backend/kernel_case.h"

using namespace dl;

namespace {

KernelCase make_case(const Dims& a, const Dims& b, bool ta, bool tb, uint64_t seed) {
  return {op_matmul,
          {random_tensor(DType::kFloat32, a, seed), random_tensor(DType::kFloat32, b, seed + 1)},
          {{"transpose_a", int64_t{ta}}, {"transpose_b", int64_t{tb}}}};
}

// 12 channels, so that a blocked layout has padding lanes.
KernelCase make_conv_case() {
  using Ints = std::vector<int64_t>;
  return {op_conv,
          {random_tensor(DType::kFloat32, {2, 6, 7, 5}, 21), random_tensor(DType::kFloat32, {3, 3, 5, 12}, 22)},
          {{"groups", int64_t{1}},
           {"channels_first", int64_t{0}},
           {"strides", Ints{1, 1}},
           {"dilations", Ints{1, 1}},
           {"pads_begin", Ints{1, 1}},
           {"pads_end", Ints{1, 1}}}};
}

void check_rows(Backend& backend, const KernelCase& c, bool small) {
  CAPTURE(to_string(std::span<const int64_t>(c.inputs[0].dims())));
  CAPTURE(to_string(std::span<const int64_t>(c.inputs[1].dims())));
  CAPTURE(to_string(c.attrs));
  const Tensor expected = run_reference(backend, c).outputs[0];
  for (const char* name : {"small", "onednn", "onednn-1-thread"}) {
    CAPTURE(name);
    const KernelRow* row = find_row(backend, c.op.name, name);
    REQUIRE(row);
    const RowResult got = run_row(backend, *row, c);
    CHECK(got.accepted == (small || std::string(name) != "small"));
    if (got.accepted) CHECK(worst_error(got.outputs[0], expected) < 1e-6);
  }
}

// sigmoid etc. of the reference product, in double.
double activate(const std::string& name, double x) {
  if (name == "relu") return x < 0 ? 0 : x;
  if (name == "sigmoid") return 1 / (1 + std::exp(-x));
  return name == "tanh" ? std::tanh(x) : x;
}

}  // namespace

TEST_CASE("matmul rows equal the reference for all transposes and ragged sizes") {
  const auto backend = make_cpu_backend();
  std::mt19937 random(3);
  for (int i = 0; i < 120; ++i) {
    const auto draw = [&](int64_t high) { return 1 + static_cast<int64_t>(random() % static_cast<uint64_t>(high)); };
    const int64_t m = draw(i % 3 ? 9 : 70), n = draw(i % 2 ? 40 : 70), k = draw(30);
    const bool ta = i & 1, tb = i & 2;
    check_rows(*backend, make_case(ta ? Dims{k, m} : Dims{m, k}, tb ? Dims{n, k} : Dims{k, n}, ta, tb, static_cast<uint64_t>(i)),
               m * n * k <= 8192);
  }
}

TEST_CASE("matmul rows broadcast batch axes") {
  const auto backend = make_cpu_backend();
  check_rows(*backend, make_case({2, 5, 3}, {3, 4}, false, false, 1), true);
  check_rows(*backend, make_case({5, 3}, {2, 3, 4}, false, false, 2), true);
  check_rows(*backend, make_case({2, 1, 4, 3}, {3, 5, 3}, false, true, 3), true);
  check_rows(*backend, make_case({2, 3, 3, 4}, {2, 1, 3, 5}, true, false, 4), true);
  check_rows(*backend, make_case({2, 3, 4}, {1, 2, 3}, true, true, 5), true);
  check_rows(*backend, make_case({6, 4, 40, 30}, {1, 4, 30, 20}, false, false, 6), false);
}

TEST_CASE("matmul_bias and conv_bias add the bias, apply the activation and keep NaN") {
  const auto backend = make_cpu_backend();
  for (const std::string activation : kFusedActivations)
    for (const bool conv : {false, true}) {
      CAPTURE(activation);
      CAPTURE(conv);
      KernelCase plain = conv ? make_conv_case() : make_case({37, 50}, {50, 41}, false, false, 11);
      plain.inputs[0].set(3, NAN);
      const Tensor product = run_reference(*backend, plain).outputs[0];
      const int64_t channels = product.dims().back();
      KernelCase fused{conv ? op_conv_bias : op_matmul_bias, plain.inputs, plain.attrs};
      fused.inputs.push_back(random_tensor(DType::kFloat32, {channels}, 13));
      fused.attrs.set("activation", activation);
      Tensor expected(DType::kFloat64, product.dims());
      int64_t nans = 0;
      for (int64_t i = 0; i < product.size(); ++i) {
        expected.set(i, activate(activation, product.at(i) + fused.inputs[2].at(i % channels)));
        nans += std::isnan(expected.at(i));
      }
      REQUIRE(nans >= channels);
      int accepted = 0;
      for (const KernelRow& row : backend->kernels(fused.op.name)) {
        const RowResult got = run_row(*backend, row, fused);
        CAPTURE(row.name);
        if (!got.accepted) continue;
        ++accepted;
        CHECK(worst_error(got.outputs[0], expected) < 4e-6);  // of sums up to 30, before tanh makes them 1
      }
      if (!(conv && activation == "sigmoid")) CHECK(accepted >= 2);  // sigmoid of a padding lane is not 0: lowered instead
    }
}

TEST_CASE("the small and one-thread products give the same bits for every thread count") {
  const auto backend = make_cpu_backend();
  const int saved = thread_count();
  for (const KernelRow& row : backend->kernels("matmul")) {
    if (!row.thread_invariant || std::string(row.name) == "reference") continue;
    const KernelCase c = make_case({31, 100}, {100, 2}, false, false, 2);
    set_thread_count(1);
    const RowResult one = run_row(*backend, row, c);
    set_thread_count(4);
    const RowResult four = run_row(*backend, row, c);
    set_thread_count(saved);
    REQUIRE(one.accepted);
    CHECK(bit_equal(one.outputs[0], four.outputs[0]));
  }
}
