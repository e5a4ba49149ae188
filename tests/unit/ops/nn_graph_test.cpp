// Graph properties of the neural-network operators: symbolic sizes survive, lowerings have the inferred types, wrong shapes are named.
#include <doctest/doctest.h>

#include <functional>

#include "ops/builders.h"
#include "ops/nn.h"
#include "ops/ops.h"

using namespace dl;

namespace {

constexpr DType kF = DType::kFloat32;
const Dim kBatch = Dim::symbol("batch");

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

// The lowering of x's node gives the types that were inferred.
void check_lowering(Var x) {
  const Node node = x.graph->node(x.value);
  CAPTURE(node.op->name);
  REQUIRE((node.op->lower != nullptr));
  std::vector<Var> inputs;
  for (Value v : node.inputs) inputs.push_back({x.graph, v});
  const std::vector<Var> lowered = node.op->lower({*x.graph, node.attrs, inputs, node.types});
  REQUIRE(lowered.size() == node.types.size());
  for (size_t i = 0; i < lowered.size(); ++i) CHECK(to_string(lowered[i].type()) == to_string(node.types[i]));
}

}  // namespace

TEST_CASE("library operators keep symbolic sizes through their lowering") {
  Graph g;
  const Dim time = Dim::symbol("time");
  const Var x = input(g, "x", {kF, {kBatch, time, 8}}), classes = input(g, "classes", {DType::kInt32, {kBatch, time}});
  const Var row = input(g, "row", {kF, {8}}), q = input(g, "q", {kF, {kBatch, 2, time, 4}});
  const Var mask = input(g, "mask", {DType::kBool, {kBatch, 1, 1, time}});
  check_lowering(softmax(x));
  check_lowering(softmax(x, 1));
  check_lowering(log_softmax(x));
  check_lowering(softmax_cross_entropy(x, x));
  check_lowering(sparse_softmax_cross_entropy(x, classes));
  check_lowering(sigmoid_cross_entropy(x, x));
  check_lowering(gelu(x, true));
  check_lowering(gelu(x, false));
  check_lowering(silu(x));
  check_lowering(layer_norm(x, row, row, {-1}, 1e-3));
  check_lowering(attention(q, q, q, mask, 0.5));
  const Var lr = input(g, "lr", {kF, {}});
  check_lowering(sgd_update(row, row, row, lr, 0.9, true).parameter);
  check_lowering(adam_update(row, row, row, row, lr, lr, 0.9, 0.999, 1e-7, 0.01).parameter);
  check_lowering(rmsprop_update(row, row, row, row, row, lr, 0.9, 0.5, 1e-7, true).parameter);
}

TEST_CASE("every sample of an operator with a lowering lowers to the inferred types") {
  for (const OpDef* op : all_ops()) {
    if (!op->lower || !op->samples) continue;
    for (const Sample& sample : op->samples()) {
      Graph g;
      std::vector<Var> inputs;
      for (size_t i = 0; i < sample.inputs.size(); ++i) inputs.push_back(input(g, "x" + std::to_string(i), sample.inputs[i]));
      check_lowering(add_op(*op, inputs, sample.attrs));
    }
  }
}

TEST_CASE("wrong operands are named") {
  Graph g;
  const Var x = input(g, "x", {kF, {kBatch, 4}}), wide = input(g, "wide", {kF, {kBatch, 5}}),
            ints = input(g, "ints", {DType::kInt32, {kBatch, 4}});
  CHECK(error_of([&] { softmax(x, 2); }) == "softmax: axis 2 is outside of rank 2");
  CHECK(error_of([&] { softmax_cross_entropy(x, wide); }) ==
        "softmax_cross_entropy(float32[batch, 4], float32[batch, 5]): target probabilities must have shape [batch, 4], not [batch, 5]");
  CHECK(error_of([&] { sparse_softmax_cross_entropy(x, ints); }) ==
        "sparse_softmax_cross_entropy(float32[batch, 4], int32[batch, 4]): target indices must have shape [batch], not [batch, 4]");
  CHECK(error_of([&] { layer_norm(x, wide, {}, {-1}, 1e-3); }) ==
        "layer_norm(float32[batch, 4], float32[batch, 5]): gamma must have shape [4], not [batch, 5]");
  CHECK(error_of([&] { gelu(ints, false); }) == "gelu(int32[batch, 4]): operand 0 must hold floats");
}
