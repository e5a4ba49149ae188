#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "backend/backend.h"
#include "bench/measure.h"
#include "ops/builders.h"
#include "ops/nn.h"
#include "plan/random_inputs.h"

using namespace dl;

namespace {

// table[indices] of a batch of rows, times a matrix.
Program lookup_program(DType index_type) {
  Program p;
  const Var x = input(p.graph, "x", {index_type, {Dim::symbol("batch"), Dim::symbol("time")}});
  const Var table = parameter(p.graph, "table", {DType::kFloat32, {7, 4}});
  const Var w = parameter(p.graph, "w", {DType::kFloat32, {4, 3}});
  p.inputs = {{"x", x.value}};
  p.parameters = {{"table", table.value, true, {}}, {"w", w.value, true, {}}};
  Var rows;
  {
    const ScopeGuard scope(p.graph, "embedding");
    rows = gather(table, is_float(index_type) ? cast(x, DType::kInt32) : x, 0);
  }
  const ScopeGuard scope(p.graph, "dense");
  p.outputs = {{"y", matmul(rows, w).value}};
  return p;
}

}  // namespace

TEST_CASE("percentiles interpolate as NumPy's do") {
  const std::vector<double> sorted = {1, 2, 4, 8, 16};
  CHECK(percentile(sorted, 0) == 1);
  CHECK(percentile(sorted, 0.5) == 4);
  CHECK(percentile(sorted, 0.9) == doctest::Approx(12.8).epsilon(1e-12));
  CHECK(percentile(sorted, 1) == 16);
  CHECK(percentile({3}, 0.99) == 3);
  const LatencyStats stats = summarize_latency({4, 1, 16, 2, 8}, 3);
  CHECK(stats.runs == 5);
  CHECK(stats.warmup_runs == 3);
  CHECK(stats.min == 1);
  CHECK(stats.p50 == 4);
  CHECK(stats.max == 16);
  CHECK(stats.mean == doctest::Approx(6.2));
}

TEST_CASE("a latency is that of the function, and measuring ends in time") {
  int calls = 0;
  const auto start = std::chrono::steady_clock::now();
  const LatencyStats stats = measure_latency([&] { ++calls, std::this_thread::sleep_for(std::chrono::milliseconds(4)); }, 0.1);
  const double total = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  CHECK(stats.min >= 0.004);
  CHECK(stats.min <= stats.p50);
  CHECK(stats.p50 <= stats.p90);
  CHECK(stats.p90 <= stats.p99);
  CHECK(stats.p99 <= stats.max);
  CHECK(stats.runs >= 5);
  CHECK(calls == stats.runs + stats.warmup_runs);
  CHECK(total < 5);
}

TEST_CASE("sizes: the batch as asked, others guessed and named") {
  const Program p = lookup_program(DType::kInt64);
  std::vector<std::string> guessed;
  const Bindings sizes = choose_sizes(p, 3, 10, &guessed);
  CHECK(sizes == Bindings{{"batch", 3}, {"time", 10}});
  CHECK(guessed == std::vector<std::string>{"time"});
}

TEST_CASE("indices stay within the table, also as floats") {
  for (const DType type : {DType::kInt64, DType::kFloat32}) {
    const Program p = lookup_program(type);
    CHECK(index_limit(p, p.inputs[0].value) == 7);
    const std::vector<Tensor> inputs = make_random_inputs(p, {{"batch", 20}, {"time", 10}}, 1);
    REQUIRE(inputs.size() == 1);
    CHECK(inputs[0].dims() == Dims{20, 10});
    CHECK(inputs[0].dtype() == type);
    std::vector<int> seen(7);
    for (int64_t i = 0; i < inputs[0].size(); ++i) {
      const double v = inputs[0].at(i);
      REQUIRE(v == static_cast<int64_t>(v));
      REQUIRE((v >= 0 && v < 7));
      ++seen[static_cast<size_t>(v)];
    }
    for (int count : seen) CHECK(count > 0);
    CHECK(bit_equal(inputs[0], make_random_inputs(p, {{"batch", 20}, {"time", 10}}, 1)[0]));
    CHECK_FALSE(bit_equal(inputs[0], make_random_inputs(p, {{"batch", 20}, {"time", 10}}, 2)[0]));
  }
}

TEST_CASE("class targets stay within the classes; other inputs are free") {
  for (const bool logits : {true, false}) {
    Program p;
    const Var x = input(p.graph, "x", {DType::kFloat32, {Dim::symbol("batch"), 5}});
    const Var target = input(p.graph, "t", {DType::kInt64, {Dim::symbol("batch")}});
    const Var loss = logits ? sparse_softmax_cross_entropy(x, target) : reduce_sum(x * one_hot(target, 5, DType::kFloat32));
    p.inputs = {{"x", x.value}, {"t", target.value}};
    p.outputs = {{"loss", loss.value}};
    CHECK(index_limit(p, target.value) == 5);
    CHECK_FALSE(index_limit(p, x.value).has_value());
    const std::vector<Tensor> inputs = make_random_inputs(p, {{"batch", 100}}, 0);
    double largest = 0;
    for (int64_t i = 0; i < inputs[1].size(); ++i) largest = std::max(largest, inputs[1].at(i));
    CHECK(largest == 4);
    CHECK(inputs[0].at(3) != static_cast<int64_t>(inputs[0].at(3)));
  }
}

TEST_CASE("a profile has a row for each layer's operator, with its work") {
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  ParameterStore store(*backend);
  store.set("table", Tensor(DType::kFloat32, {7, 4}));
  store.set("w", Tensor(DType::kFloat32, {4, 3}));
  const Program p = lookup_program(DType::kInt64);
  const Bindings sizes = {{"batch", 8}, {"time", 16}};
  Executable executable(compile(p, sizes, *backend, {}), *backend, store, nullptr);
  executable.set_input(0, make_random_inputs(p, sizes, 0)[0]);
  const Profile profile = measure_profile(executable, 0.01);
  CHECK(profile.runs >= 3);
  double sum = 0, flops = 0;
  bool embedding = false, dense = false;
  for (const ProfileRow& row : profile.rows) {
    CHECK(row.seconds >= 0);
    CHECK(row.steps >= 1);
    sum += row.seconds;
    if (row.scope == "embedding" && row.op == "gather") embedding = true;
    if (row.scope == "dense") dense = true, flops += row.flops;
  }
  CHECK(embedding);
  CHECK(dense);
  CHECK(flops == 2.0 * 8 * 16 * 4 * 3);
  CHECK(profile.seconds == doctest::Approx(sum));
}
