#include "plan/executable.h"

#include <doctest/doctest.h>

#include "autodiff/gradient.h"
#include "base/philox.h"
#include "ops/builders.h"
#include "plan/session.h"
#include "unit/plan/allocation_count.h"

using namespace dl;

namespace {

Tensor random_tensor(Dims dims, uint64_t stream) {
  Tensor t(DType::kFloat32, std::move(dims));
  RandomSequence random(3, stream);
  for (int64_t i = 0; i < t.size(); ++i) t.set(i, random.next_unit() * 2 - 1);
  return t;
}

// loss = mean((x w - y)^2), w <- w - 0.1 dloss/dw, and a copy of the old w as an output.
Program regression() {
  Program p;
  Graph& g = p.graph;
  const Dim batch = Dim::symbol("batch");
  const Var x = input(g, "x", {DType::kFloat32, {batch, 3}}), y = input(g, "y", {DType::kFloat32, {batch, 1}});
  const Var w = parameter(g, "w", {DType::kFloat32, {3, 1}});
  const Var loss = reduce_mean(square(matmul(x, w) - y));
  const Var next = w - gradient(loss, std::vector<Var>{w})[0] * 0.1;
  p.inputs = {{"x", x.value}, {"y", y.value}};
  p.parameters = {{"w", w.value, true, {}}};
  p.updates = {{0, next.value}};
  p.outputs = {{"loss", loss.value}, {"old", w.value}};
  return p;
}

}  // namespace

TEST_CASE("a program with an update learns, for any batch size, and outputs the old parameter") {
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  const Program program = regression();
  verify(program);
  Session session(*cpu, {});
  session.parameters().set("w", Tensor(DType::kFloat32, {3, 1}));
  const size_t id = session.add(program);
  const Tensor w_true = Tensor::from<float>({3, 1}, std::vector<float>{1, -2, 0.5f});
  double loss = 0;
  for (int step = 0; step < 400; ++step) {
    const int64_t n = step % 2 ? 8 : 5;
    const Tensor x = random_tensor({n, 3}, static_cast<uint64_t>(step));
    Tensor y(DType::kFloat32, {n, 1});
    for (int64_t i = 0; i < n; ++i) {
      double sum = 0;
      for (int64_t k = 0; k < 3; ++k) sum += x.at(i * 3 + k) * w_true.at(k);
      y.set(i, sum);
    }
    const Tensor before = session.parameters().get("w");
    Executable& run = session.run(id, {x, y});
    loss = run.scalar_output(0);
    CHECK(bit_equal(run.output(1), before));
  }
  CHECK(loss < 1e-6);
  for (int64_t k = 0; k < 3; ++k) CHECK(session.parameters().get("w").at(k) == doctest::Approx(w_true.at(k)).epsilon(1e-3));
  CHECK_THROWS_AS(session.run(id, {random_tensor({4, 2}, 1), random_tensor({4, 1}, 1)}), UserError);
}

TEST_CASE("swapped parameters swap") {
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  Program p;
  const Var a = parameter(p.graph, "a", {DType::kFloat32, {2}}), b = parameter(p.graph, "b", {DType::kFloat32, {2}});
  p.parameters = {{"a", a.value, true, {}}, {"b", b.value, true, {}}};
  p.updates = {{0, b.value}, {1, a.value}};
  Session session(*cpu, {});
  session.parameters().set("a", Tensor::from<float>({2}, std::vector<float>{1, 2}));
  session.parameters().set("b", Tensor::from<float>({2}, std::vector<float>{3, 4}));
  session.run(session.add(p), {});
  CHECK(session.parameters().get("a").at(1) == 4);
  CHECK(session.parameters().get("b").at(0) == 1);
}

TEST_CASE("running allocates nothing") {
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  const Program program = regression();
  Session session(*cpu, {});
  session.parameters().set("w", random_tensor({3, 1}, 9));
  const std::vector<Tensor> batch = {random_tensor({16, 3}, 1), random_tensor({16, 1}, 2)};
  Executable& run = session.run(session.add(program), batch);
  const int64_t before = allocation_count();
  for (int i = 0; i < 10; ++i) run.run();
  CHECK(allocation_count() == before);
}

TEST_CASE("what is lent is used where it lies and stays as it is") {
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  const Tensor w = random_tensor({6, 6}, 4);
  ParameterStore store(*cpu);
  store.lend("w", w);
  CHECK(store.data("w") == w.raw());
  CHECK(bit_equal(store.get("w"), w));
  CHECK_THROWS_AS(store.set("w", w), InternalError);
  CHECK_THROWS_AS(store.lend("w", w), InternalError);
  store.lend("none", Tensor(DType::kFloat32, {0, 3}));
  CHECK(store.get("none").size() == 0);
}

TEST_CASE("a plan for one run keeps nothing of what it makes of parameters, and gives the same bits") {
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  Program p;
  Graph& g = p.graph;
  const Var x = input(g, "x", {DType::kFloat32, {4, 64}});
  p.inputs = {{"x", x.value}};
  Var h = x;
  for (const char* name : {"a", "b", "c"}) {
    const Var w = parameter(g, name, {DType::kFloat16, {64, 64}});
    p.parameters.push_back({name, w.value, true, {}});
    h = tanh(matmul(h, cast(w, DType::kFloat32)));
  }
  p.outputs = {{"h", h.value}};
  const auto run = [&](bool once) {
    Session session(*cpu, {.run_once = once});
    for (const char* name : {"a", "b", "c"})
      session.parameters().lend(name, random_tensor({64, 64}, static_cast<uint64_t>(*name)).cast(DType::kFloat16));
    return session.run(session.add(p), {random_tensor({4, 64}, 5)}).output(0).clone();
  };
  CHECK(bit_equal(run(true), run(false)));
  constexpr size_t kWide = 64 * 64 * sizeof(float);
  const Plan kept = compile(p, {}, *cpu, {}).plan, once = compile(p, {}, *cpu, {.run_once = true}).plan;
  CHECK(kept.static_bytes >= 3 * kWide);
  CHECK(once.static_bytes == 0);
  CHECK(once.arena_bytes < 2 * kWide);  // one after the other in the same place
}

TEST_CASE("bits do not depend on memory reuse: parameters without updates give equal results again and again") {
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  Program p;
  Graph& g = p.graph;
  const Var x = input(g, "x", {DType::kFloat32, {4, 6}});
  const Var w = parameter(g, "w", {DType::kFloat32, {6, 6}});
  Var h = x;
  for (int i = 0; i < 4; ++i) h = tanh(matmul(h, transpose(w, {1, 0}))) + x;
  p.inputs = {{"x", x.value}};
  p.parameters = {{"w", w.value, true, {}}};
  p.outputs = {{"h", h.value}};
  Session session(*cpu, {});
  session.parameters().set("w", random_tensor({6, 6}, 4));
  const size_t id = session.add(p);
  const Tensor first = session.run(id, {random_tensor({4, 6}, 5)}).output(0);
  CHECK(bit_equal(first, session.run(id, {random_tensor({4, 6}, 5)}).output(0)));
  session.parameters().set("w", random_tensor({6, 6}, 6));  // static steps (the transpose) must notice
  const Tensor changed = session.run(id, {random_tensor({4, 6}, 5)}).output(0);
  CHECK_FALSE(bit_equal(first, changed));
  Session fresh(*cpu, {});
  fresh.parameters().set("w", random_tensor({6, 6}, 6));
  CHECK(bit_equal(changed, fresh.run(fresh.add(p), {random_tensor({4, 6}, 5)}).output(0)));
}
