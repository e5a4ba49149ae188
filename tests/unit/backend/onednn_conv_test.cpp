// oneDNN's convolutions against the scalar reference in double, over the operators' samples and random geometries.
#include <doctest/doctest.h>

#include <random>

#include "base/parallel.h"
#include "ops/ops.h"
#include "ops/window.h"
#include "unit/backend/kernel_case.h"

using namespace dl;

namespace {

constexpr double kTolerance = 2e-6;  // of the largest element: sums of up to some thousand float32 products

// The three operators on one geometry.
std::vector<KernelCase> make_cases(const Dims& x, const Dims& kernel, const Window& window, int64_t groups, uint64_t seed) {
  Attrs attrs = window_values(window, x.size() - 2, "conv");
  attrs.set("groups", groups);
  const TensorType types[] = {{DType::kFloat32, to_shape(x)}, {DType::kFloat32, to_shape(kernel)}};
  const Dims y = known_dims(op_conv.infer({op_conv, types, attrs})[0].shape);
  const Tensor tx = random_tensor(DType::kFloat32, x, seed), tw = random_tensor(DType::kFloat32, kernel, seed + 1),
               ty = random_tensor(DType::kFloat32, y, seed + 2);
  Attrs input_grad = attrs, weight_grad = attrs;
  input_grad.set("x_shape", to_shape(x));
  weight_grad.set("kernel_shape", to_shape(kernel));
  return {{op_conv, {tx, tw}, attrs}, {op_conv_input_grad, {ty, tw}, input_grad}, {op_conv_weight_grad, {tx, ty}, weight_grad}};
}

void check_case(Backend& backend, const KernelCase& c, const char* row_name = "onednn") {
  CAPTURE(c.op.name);
  CAPTURE(to_string(c.attrs));
  CAPTURE(to_string(std::span<const int64_t>(c.inputs[0].dims())));
  CAPTURE(to_string(std::span<const int64_t>(c.inputs[1].dims())));
  const KernelRow* row = find_row(backend, c.op.name, row_name);
  REQUIRE(row);
  const RowResult got = run_row(backend, *row, c);
  REQUIRE(got.accepted);
  CAPTURE(got.detail);
  CHECK(worst_error(got.outputs[0], run_reference(backend, c).outputs[0]) < kTolerance);
}

}  // namespace

TEST_CASE("oneDNN convolutions equal the reference on the operators' samples") {
  const auto backend = make_cpu_backend();
  uint64_t seed = 1;
  for (const OpDef* op : {&op_conv, &op_conv_input_grad, &op_conv_weight_grad})
    for (const Sample& sample : op->samples()) {
      KernelCase c{*op, {}, complete_attrs(*op, sample.attrs)};
      bool empty = false;
      for (const TensorType& t : sample.inputs) {
        c.inputs.push_back(random_tensor(t.dtype, known_dims(t.shape), ++seed));
        empty = empty || c.inputs.back().size() == 0;
      }
      if (empty) {
        CHECK_FALSE(run_row(*backend, *find_row(*backend, op->name, "onednn"), c).accepted);
        continue;
      }
      check_case(*backend, c);
      check_case(*backend, c, "onednn-1-thread");
    }
}

TEST_CASE("oneDNN convolutions equal the reference on random geometries") {
  const auto backend = make_cpu_backend();
  std::mt19937 random(7);
  const auto draw = [&](int64_t low, int64_t high) { return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1)); };
  for (int i = 0; i < 150; ++i) {
    const size_t spatial = i % 5 == 0 ? 1 : i % 11 == 0 ? 3 : 2;
    const int64_t groups = draw(0, 3) == 0 ? draw(2, 4) : 1;
    const bool depthwise = draw(0, 5) == 0;
    const int64_t in = depthwise         ? 1
                       : draw(0, 2) == 0 ? 8 * draw(1, 2)
                                         : draw(1, 9),
                  out = depthwise         ? draw(1, 2)
                        : draw(0, 2) == 0 ? 8 * draw(1, 3)
                                          : draw(1, 11);
    const int64_t g = depthwise ? draw(3, 17) : groups;
    Window w;
    w.channels_first = draw(0, 3) == 0;
    Dims kernel, size;
    for (size_t k = 0; k < spatial; ++k) {
      kernel.push_back(draw(1, 4));
      w.strides.push_back(draw(1, 3)), w.dilations.push_back(draw(0, 3) == 0 ? 2 : 1);
      w.pads_begin.push_back(draw(0, 2)), w.pads_end.push_back(draw(0, 2));
      size.push_back((kernel.back() - 1) * w.dilations.back() + 1 + draw(0, 7));
    }
    Dims x = size;
    x.insert(w.channels_first ? x.begin() : x.end(), in * g);
    x.insert(x.begin(), draw(1, 3));
    kernel.push_back(in), kernel.push_back(out * g);
    for (const KernelCase& c : make_cases(x, kernel, w, g, static_cast<uint64_t>(i) * 8)) check_case(*backend, c);
  }
}

TEST_CASE("a convolution takes the layout its predecessor left") {
  const auto backend = make_cpu_backend();
  const auto cases = make_cases({2, 9, 9, 32}, {3, 3, 32, 32}, {{}, {}, {}, {1, 1}, {1, 1}}, 1, 5);
  KernelCase c = cases[0];
  const RowResult first = run_row(*backend, *find_row(*backend, "conv", "onednn"), c);
  c.arrive = {first.output_layouts[0], kPlain};
  check_case(*backend, c);
}

TEST_CASE("the one-thread rows give the same bits for every thread count") {
  const auto backend = make_cpu_backend();
  const int saved = thread_count();
  for (const KernelCase& c : make_cases({8, 14, 13, 24}, {3, 3, 24, 40}, {{}, {2, 1}, {}, {1, 1}, {1, 1}}, 1, 9)) {
    const KernelRow* row = find_row(*backend, c.op.name, "onednn-1-thread");
    REQUIRE(row->thread_invariant);
    set_thread_count(1);
    const RowResult one = run_row(*backend, *row, c);
    set_thread_count(3);
    const RowResult three = run_row(*backend, *row, c);
    set_thread_count(saved);
    CHECK(bit_equal(one.outputs[0], three.outputs[0]));
  }
}

TEST_CASE("float64 and bfloat16 without processor support are left to other rows") {
  const auto backend = make_cpu_backend();
  KernelCase c = make_cases({1, 5, 5, 8}, {3, 3, 8, 8}, {}, 1, 3)[0];
  for (Tensor& t : c.inputs) t = t.cast(DType::kFloat64);
  CHECK_FALSE(run_row(*backend, *find_row(*backend, "conv", "onednn"), c).accepted);
}
