#include "autodiff/gradient.h"

#include <doctest/doctest.h>

#include "ops/builders.h"
#include "ops/ops.h"

using namespace dl;

TEST_CASE("equal nodes are one node") {
  Graph g;
  const Var x = input(g, "x", {DType::kFloat32, {3}});
  const uint32_t before = g.size();
  CHECK(exp(x).value == exp(x).value);
  CHECK(g.size() == before + 1);
  CHECK_FALSE(input(g, "y", {DType::kFloat32, {3}}).value == x.value);
}

TEST_CASE("gradients keep symbolic shapes, to any order") {
  Graph g;
  const Dim batch = Dim::symbol("batch");
  const Var x = input(g, "x", {DType::kFloat32, {batch, 4}});
  const Var w = parameter(g, "w", {DType::kFloat32, {4, 3}});
  const Var b = parameter(g, "b", {DType::kFloat32, {3}});
  const Var loss = reduce_mean(square(tanh(matmul(x, w) + b)));
  const std::vector<Var> first = gradient(loss, std::vector<Var>{w, b, x});
  CHECK(first[0].shape() == w.shape());
  CHECK(first[1].shape() == b.shape());
  CHECK(first[2].shape() == x.shape());
  const std::vector<Var> second = gradient(reduce_sum(first[0]), std::vector<Var>{w, x});
  CHECK(second[0].shape() == w.shape());
  CHECK(second[1].shape() == x.shape());
}

TEST_CASE("shape errors name the operator and both shapes") {
  Graph g;
  const Var a = input(g, "a", {DType::kFloat32, {2, 3}}), b = input(g, "b", {DType::kFloat32, {4, 5}});
  try {
    matmul(a, b);
    FAIL("no error");
  } catch (const UserError& e) {
    CHECK(std::string(e.what()) == "matmul(float32[2, 3], float32[4, 5]): inner sizes differ: 3 against 4");
  }
}

TEST_CASE("every operator has a gradient, a lowering, or a reason") {
  for (const OpDef* op : all_ops()) {
    CAPTURE(op->name);
    CHECK((op->grad || op->lower || op->no_gradient));
    if (op->kind != OpKind::kSource) CHECK((op->samples != nullptr));
  }
}
