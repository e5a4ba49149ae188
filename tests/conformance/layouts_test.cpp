// Elementwise kernels stay in the blocked layouts that convolutions choose, where every byte of those is an element.
#include <doctest/doctest.h>

#include "base/philox.h"
#include "conformance/evaluate.h"
#include "graph/op_def.h"
#include "ops/builders.h"
#include "ops/nn.h"
#include "ops/ops.h"

using namespace dl;
using namespace dl::conformance;

namespace {

// Some layout other than row-major that a row of conv gives its output [2, 9, 9, channels] in; kPlain when none does.
LayoutId blocked_layout(Backend& backend, int64_t channels, bool dense) {
  Graph g;
  const Var x = input(g, "x", {DType::kFloat32, {2, 9, 9, 16}}), kernel = input(g, "k", {DType::kFloat32, {3, 3, 16, channels}});
  Window window;
  window.pads_begin = window.pads_end = {1, 1};
  const BoundNode node(g, conv(x, kernel, window).value.node);
  for (const KernelRow& row : backend.kernels("conv")) {
    const auto prepared = prepare(backend, row, node);
    if (!prepared || prepared->output_layouts.empty()) continue;
    const LayoutId layout = prepared->output_layouts[0];
    if (layout != kPlain && backend.layouts().is_dense(layout) == dense) return layout;
  }
  return kPlain;
}

const KernelRow& loops_row(Backend& backend, const char* op) {
  for (const KernelRow& row : backend.kernels(op))
    if (std::string_view(row.name) == "loops") return row;
  throw InternalError(std::string("no row 'loops' for ") + op);
}

Tensor random_values(const OperandType& type, uint64_t seed) {
  RandomSequence random(seed, 3);
  Tensor t(type.dtype, type.dims);
  for (int64_t i = 0; i < t.size(); ++i) t.set(i, random.next_unit() * 4 - 2);
  return t;
}

// The node of `y` with operands of the first one's shape in `layout`: which layout its kernel keeps, and whether it computes the same.
void check_blocked(Backend& backend, Var y, LayoutId layout, bool stays) {
  const Graph& g = *y.graph;
  BoundNode node(g, y.value.node);
  const KernelRow& row = loops_row(backend, node.op->name);
  const auto plain = prepare(backend, row, node);
  REQUIRE(plain);
  std::vector<Tensor> values;
  for (size_t i = 0; i < node.inputs.size(); ++i) values.push_back(random_values(node.inputs[i], i));
  const Tensor want = run(backend, *plain, node, values)[0];
  for (OperandType& in : node.inputs)
    if (in.dims == node.inputs[0].dims) in.layout = layout;
  const auto blocked = prepare(backend, row, node);
  REQUIRE(blocked);
  CAPTURE(std::string(node.op->name));
  CHECK((blocked->output_layouts.empty() ? kPlain : blocked->output_layouts[0]) == (stays ? layout : kPlain));
  if (stays) CHECK(blocked->input_layouts.at(0) == layout);
  CHECK(bit_equal(run(backend, *blocked, node, values)[0], want));
}

}  // namespace

TEST_CASE("elementwise chains stay in dense blocked layouts") {
  const auto backend = make_cpu_backend();
  const LayoutId layout = blocked_layout(*backend, 32, true);
  REQUIRE(layout != kPlain);
  Graph g;
  const DType f = DType::kFloat32;
  const Var x = input(g, "x", {f, {2, 9, 9, 32}}), z = input(g, "z", {f, {2, 9, 9, 32}});
  check_blocked(*backend, relu(x), layout, true);
  check_blocked(*backend, tanh(x), layout, true);
  check_blocked(*backend, x + z, layout, true);
  check_blocked(*backend, x * 0.5, layout, true);
  // A row of channels, another element type: not the same bytes in the same places.
  check_blocked(*backend, x + input(g, "b", {f, {32}}), layout, false);
  check_blocked(*backend, greater(x, z), layout, false);
}

TEST_CASE("a cast keeps the places, and reorders of both types give every element its place") {
  const auto backend = make_cpu_backend();
  const LayoutId layout = blocked_layout(*backend, 32, true);
  REQUIRE(layout != kPlain);
  Graph g;
  const Var x = input(g, "x", {DType::kFloat32, {2, 9, 9, 32}});
  BoundNode node(g, cast(x, DType::kBFloat16).value.node);
  const OperandType plain = node.inputs[0], narrow = node.outputs[0];
  node.inputs[0].layout = layout;
  const auto kernel = prepare(*backend, loops_row(*backend, "cast"), node);
  REQUIRE(kernel);
  REQUIRE(kernel->output_layouts.size() == 1);
  const LayoutId narrow_layout = kernel->output_layouts[0];
  CHECK(narrow_layout == backend->layouts().retyped(layout, DType::kBFloat16));
  CHECK(backend->layouts().retyped(narrow_layout, DType::kFloat32) == layout);
  CHECK(backend->layouts().is_dense(narrow_layout));

  const Tensor values = random_values(plain, 1);
  Tensor want = values.cast(DType::kBFloat16), blocked(plain.dtype, plain.dims), narrowed(narrow.dtype, narrow.dims),
         back(narrow.dtype, narrow.dims), there(narrow.dtype, narrow.dims);
  const auto step = [&](Kernel& run, const Tensor& from, Tensor& to) {
    std::vector<std::byte> workspace(run.workspace_bytes + 1);
    const void* in[] = {from.raw()};
    void* out[] = {to.raw()};
    run.run({in, out, workspace.data()});
  };
  const OperandType blocked_wide{plain.dtype, plain.dims, layout}, blocked_narrow{narrow.dtype, narrow.dims, narrow_layout};
  step(*backend->prepare_reorder(plain, blocked_wide), values, blocked);
  step(*kernel, blocked, narrowed);
  step(*backend->prepare_reorder(blocked_narrow, narrow), narrowed, back);
  CHECK(bit_equal(back, want));
  step(*backend->prepare_reorder(narrow, blocked_narrow), back, there);
  CHECK(bit_equal(there, narrowed));
}

TEST_CASE("layouts with padding are left") {
  const auto backend = make_cpu_backend();
  const LayoutId layout = blocked_layout(*backend, 13, false);
  if (layout == kPlain) return;  // oneDNN chose row-major for odd channels: nothing to leave
  Graph g;
  const Var x = input(g, "x", {DType::kFloat32, {2, 9, 9, 13}});
  check_blocked(*backend, exp(x), layout, false);
}
