// Layouts, pooling and batch normalisation over lines of channels, in row-major and blocked layouts.
#include <doctest/doctest.h>

#include "backend/cpu/layouts.h"
#include "backend/cpu/onednn.h"
#include "base/parallel.h"
#include "ops/builders.h"
#include "ops/nn.h"
#include "ops/ops.h"
#include "ops/window.h"
#include "unit/backend/kernel_case.h"

using namespace dl;

namespace {

// [N, spatial..., C] or [N, C, spatial...] in blocks of `block` channels.
LayoutId blocked(Backend& backend, const Dims& dims, size_t axis, int64_t block, DType type = DType::kFloat32) {
  cpu::ChannelBlocks b{dims[0], (dims[axis] + block - 1) / block, 1, block, dims[axis]};
  return cpu::cpu_layouts(backend.layouts())->like(b, {type, dims, kPlain}, axis);
}

Attrs pool_attrs(const Window& w) {
  Attrs attrs = window_values(w, w.size.size(), "pool");
  attrs.set("size", w.size);
  return attrs;
}

// The four kernels of one pooling geometry.
std::vector<KernelCase> make_pools(const Dims& x, const Window& w, bool count_padding, DType type = DType::kFloat32) {
  const Attrs max = pool_attrs(w);
  Attrs avg = max, avg_grad;
  avg.set("count_padding", int64_t{count_padding});
  avg_grad = avg;
  avg_grad.set("x_shape", to_shape(x));
  const TensorType t{type, to_shape(x)};
  const Dims y = known_dims(op_max_pool.infer({op_max_pool, {&t, 1}, max})[0].shape);
  const Tensor tx = random_tensor(type, x, 1), ty = random_tensor(type, y, 2);
  return {{op_max_pool, {tx}, max}, {op_max_pool_grad, {tx, ty}, max}, {op_avg_pool, {tx}, avg}, {op_avg_pool_grad, {ty}, avg_grad}};
}

void check_against_reference(Backend& backend, const KernelCase& c, double tolerance) {
  CAPTURE(c.op.name);
  CAPTURE(to_string(c.attrs));
  const KernelRow* row = find_row(backend, c.op.name, "lines");
  REQUIRE(row);
  const RowResult got = run_row(backend, *row, c);
  REQUIRE(got.accepted);
  CHECK(worst_error(got.outputs[0], run_reference(backend, c).outputs[0]) < tolerance);
  if (!c.arrive.empty() && got.outputs[0].dims()[2] > 1)
    CHECK(got.output_layouts[0] != kPlain);  // one place per channel: every layout is plain
}

// Batch normalisation as its definition says, in double.
std::vector<Tensor> expected_norm(const KernelCase& c, size_t axis) {
  const Tensor& x = c.inputs[0];
  const int64_t channels = x.dims()[axis], n = x.size() / channels;
  int64_t inner = 1;
  for (size_t i = axis + 1; i < x.dims().size(); ++i) inner *= x.dims()[i];
  const auto channel = [&](int64_t i) { return i / inner % channels; };
  const double epsilon = c.attrs.real("epsilon");
  std::vector<double> mean(static_cast<size_t>(channels)), variance(mean), first(mean), second(mean);
  const bool grad = &c.op == &op_batch_norm_train_grad, train = &c.op == &op_batch_norm_train;
  const auto at = [&](auto& v, int64_t i) -> auto& { return v[static_cast<size_t>(channel(i))]; };
  for (int64_t i = 0; i < x.size(); ++i) at(mean, i) += x.at(i) / static_cast<double>(n);
  for (int64_t i = 0; i < x.size(); ++i) at(variance, i) += (x.at(i) - at(mean, i)) * (x.at(i) - at(mean, i)) / static_cast<double>(n);
  if (!train)
    for (int64_t k = 0; k < channels; ++k) {
      mean[static_cast<size_t>(k)] = c.inputs[grad ? 2 : 3].at(k);
      variance[static_cast<size_t>(k)] = c.inputs[grad ? 3 : 4].at(k);
    }
  const auto normal = [&](int64_t i) { return (x.at(i) - at(mean, i)) / std::sqrt(at(variance, i) + epsilon); };
  Tensor y(DType::kFloat64, x.dims()), a(DType::kFloat64, {channels}), b(DType::kFloat64, {channels});
  if (grad)
    for (int64_t i = 0; i < x.size(); ++i) at(first, i) += c.inputs[4].at(i) * normal(i), at(second, i) += c.inputs[4].at(i);
  for (int64_t i = 0; i < x.size(); ++i) {
    const double gamma = c.inputs[1].at(channel(i)), count = static_cast<double>(n);
    if (grad)
      y.set(i,
            gamma / std::sqrt(at(variance, i) + epsilon) * (c.inputs[4].at(i) - at(second, i) / count - normal(i) * at(first, i) / count));
    else
      y.set(i, gamma * normal(i) + c.inputs[2].at(channel(i)));
  }
  for (int64_t k = 0; k < channels; ++k) {
    a.set(k, grad ? first[static_cast<size_t>(k)] : mean[static_cast<size_t>(k)]);
    b.set(k, grad ? second[static_cast<size_t>(k)] : variance[static_cast<size_t>(k)]);
  }
  return {y, a, b};
}

std::vector<KernelCase> make_norms(const Dims& x, size_t axis) {
  const Attrs attrs{{"axis", static_cast<int64_t>(axis)}, {"epsilon", 1e-3}};
  const Tensor tx = random_tensor(DType::kFloat32, x, 1, -1, 5), dy = random_tensor(DType::kFloat32, x, 2);
  const auto v = [&](uint64_t seed) { return random_tensor(DType::kFloat32, {x[axis]}, seed, 0.3, 2); };
  return {{op_batch_norm_train, {tx, v(3), v(4)}, attrs},
          {op_batch_norm_train_grad, {tx, v(3), v(4), v(5), dy}, attrs},
          {op_batch_norm_infer, {tx, v(3), v(4), v(5), v(6)}, attrs}};
}

}  // namespace

TEST_CASE("descriptors of the same bytes are one layout") {
  const auto backend = make_cpu_backend();
  cpu::CpuLayouts* layouts = cpu::cpu_layouts(backend->layouts());
  REQUIRE(layouts);
  const auto tagged = [&](const Dims& nchw, dnnl_format_tag_t tag) {
    dnnl_memory_desc_t md;
    REQUIRE(dnnl_memory_desc_init_by_tag(&md, 4, nchw.data(), dnnl_f32, tag) == dnnl_success);
    return *layouts->intern(cpu::permuted(md, {0, 3, 1, 2}));  // seen as [N, H, W, C]
  };
  CHECK(tagged({2, 16, 5, 6}, dnnl_nhwc) == kPlain);
  CHECK(tagged({2, 1, 5, 6}, dnnl_nchw) == kPlain);    // one channel
  CHECK(tagged({2, 8, 5, 6}, dnnl_nChw8c) == kPlain);  // one block without padding
  CHECK(tagged({2, 6, 1, 1}, dnnl_nchw) == kPlain);
  CHECK(tagged({2, 6, 5, 6}, dnnl_nChw8c) != kPlain);  // padded
  const LayoutId a = tagged({2, 16, 5, 6}, dnnl_nChw8c), b = tagged({2, 16, 5, 6}, dnnl_nChw16c), c = tagged({2, 16, 5, 6}, dnnl_nchw);
  CHECK(a != kPlain);
  CHECK(b == kPlain);
  CHECK(c != kPlain);
  CHECK(a != c);
  CHECK(tagged({2, 16, 5, 6}, dnnl_nChw8c) == a);
  CHECK(a == blocked(*backend, {2, 5, 6, 16}, 3, 8));
  CHECK(layouts->name(a) == "aDbc8d");
  CHECK(layouts->is_dense(a));
  const LayoutId padded = blocked(*backend, {2, 5, 6, 12}, 3, 8);
  CHECK_FALSE(layouts->is_dense(padded));
  CHECK(layouts->bytes(padded) == 2 * 5 * 6 * 16 * sizeof(float));
}

TEST_CASE("a tensor survives the way through any layout") {
  const auto backend = make_cpu_backend();
  const Tensor x = random_tensor(DType::kFloat32, {2, 5, 6, 20}, 3);
  for (const LayoutId first : {blocked(*backend, x.dims(), 3, 8), blocked(*backend, x.dims(), 3, 16), blocked(*backend, x.dims(), 3, 1)})
    for (const LayoutId second : {blocked(*backend, x.dims(), 3, 8), blocked(*backend, x.dims(), 3, 16), kPlain}) {
      const Stored there = reorder(*backend, reorder(*backend, store(x), first), second);
      CHECK(bit_equal(load(*backend, there), x));
    }
}

TEST_CASE("pooling rows equal the reference in every layout") {
  const auto backend = make_cpu_backend();
  const std::vector<Window> windows = {
      {{2, 2}, {2, 2}}, {{3, 3}, {2, 2}, {}, {1, 1}, {1, 1}}, {{3, 2}, {1, 1}, {}, {1, 0}, {0, 1}}, {{2, 2}, {1, 3}, {2, 1}}, {{7, 6}}};
  for (Window w : windows)
    for (const int64_t channels : {1, 3, 8, 20, 37})
      for (const bool first : {false, true})
        for (const int64_t block : {0, 8, 16})
          for (const bool count_padding : {false, true}) {
            w.channels_first = first;
            const Dims x = first ? Dims{3, channels, 7, 6} : Dims{3, 7, 6, channels};
            for (KernelCase& c : make_pools(x, w, count_padding)) {
              if (block)
                for (const Tensor& t : c.inputs) c.arrive.push_back(blocked(*backend, t.dims(), first ? 1 : 3, block));
              if (block && c.arrive[0] == kPlain) c.arrive.clear();
              CAPTURE(block);
              check_against_reference(*backend, c, 1e-6);
            }
          }
}

TEST_CASE("the first maximum takes the gradient and NaN wins") {
  const auto backend = make_cpu_backend();
  for (KernelCase& c : make_pools({1, 4, 4, 8}, {{2, 2}, {2, 2}}, false)) {
    if (&c.op != &op_max_pool && &c.op != &op_max_pool_grad) continue;
    for (int64_t i = 0; i < c.inputs[0].size(); ++i) c.inputs[0].set(i, static_cast<double>(i % 2));
    c.inputs[0].set(5, NAN);
    c.inputs[0].set(8 + 5, NAN);
    const RowResult got = run_row(*backend, *find_row(*backend, c.op.name, "lines"), c), expected = run_reference(*backend, c);
    CHECK(worst_error(got.outputs[0], expected.outputs[0]) == 0);
    if (&c.op == &op_max_pool) CHECK(std::isnan(got.outputs[0].at(5)));
    if (&c.op == &op_max_pool_grad) CHECK(got.outputs[0].at(5) == c.inputs[1].at(5));
  }
}

TEST_CASE("bfloat16 pooling rounds once") {
  const auto backend = make_cpu_backend();
  for (const KernelCase& c : make_pools({2, 6, 6, 19}, {{2, 2}, {2, 2}}, false, DType::kBFloat16))
    check_against_reference(*backend, c, 0x1p-8);
}

TEST_CASE("batch normalisation rows follow the definition in every layout") {
  const auto backend = make_cpu_backend();
  for (const Dims& x :
       {Dims{4, 5, 6, 20}, Dims{300, 17}, Dims{2, 40, 9, 16}, Dims{3, 7, 8}, Dims{2, 3, 3, 3, 12}, Dims{5, 4, 4, 1}, Dims{64, 300}})
    for (const int64_t block : {0, 8, 16})
      for (KernelCase& c : make_norms(x, x.size() - 1)) {
        CAPTURE(c.op.name);
        CAPTURE(to_string(std::span<const int64_t>(x)));
        CAPTURE(block);
        if (block && x.size() > 2) {
          c.arrive.assign(c.inputs.size(), kPlain);
          for (size_t i = 0; i < c.inputs.size(); ++i)
            if (c.inputs[i].dims() == x) c.arrive[i] = blocked(*backend, x, x.size() - 1, block);
        }
        const RowResult got = run_row(*backend, *find_row(*backend, c.op.name, "lines"), c);
        REQUIRE(got.accepted);
        const std::vector<Tensor> expected = expected_norm(c, x.size() - 1);
        for (size_t k = 0; k < got.outputs.size(); ++k) CHECK(worst_error(got.outputs[k], expected[k]) < 2e-6);
      }
}

TEST_CASE("sums per channel of blocked tensors") {
  const auto backend = make_cpu_backend();
  KernelCase c{op_reduce_sum,
               {random_tensor(DType::kFloat32, {9, 7, 6, 20}, 4)},
               {{"axes", std::vector<int64_t>{0, 1, 2}}, {"keepdims", int64_t{0}}}};
  const KernelRow* row = find_row(*backend, "reduce_sum", "lines");
  CHECK_FALSE(run_row(*backend, *row, c).accepted);
  c.arrive = {blocked(*backend, {9, 7, 6, 20}, 3, 8)};
  const RowResult got = run_row(*backend, *row, c);
  REQUIRE(got.accepted);
  CHECK(worst_error(got.outputs[0], run_reference(*backend, c).outputs[0]) < 1e-6);
  c.attrs.set("axes", std::vector<int64_t>{0, 1, 3});
  CHECK_FALSE(run_row(*backend, *row, c).accepted);
}

TEST_CASE("lines give the same bits for every thread count") {
  const auto backend = make_cpu_backend();
  const int saved = thread_count();
  std::vector<KernelCase> cases = make_norms({16, 20, 20, 24}, 3);
  for (KernelCase& c : make_pools({16, 20, 20, 24}, {{3, 3}, {2, 2}}, false)) cases.push_back(c);
  for (const KernelCase& c : cases) {
    const KernelRow* row = find_row(*backend, c.op.name, "lines");
    set_thread_count(1);
    const RowResult one = run_row(*backend, *row, c);
    set_thread_count(5);
    const RowResult five = run_row(*backend, *row, c);
    set_thread_count(saved);
    for (size_t k = 0; k < one.outputs.size(); ++k) CHECK(bit_equal(one.outputs[k], five.outputs[k]));
  }
}
