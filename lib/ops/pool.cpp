// Pooling: maximum and average over windows. Gradient sets are closed: max_pool_grad and max_pool_gather are each other's
// gradients (for fixed x both are linear), as are avg_pool and avg_pool_grad.
#include "ops/builders.h"
#include "ops/nn.h"
#include "ops/ops.h"
#include "ops/samples.h"
#include "ops/window.h"

namespace dl {
namespace {

Shape pool_output_shape(const InferCall& call, const Shape& x) {
  if (x.size() < 3 || x.size() > 5) infer_error(call, "the input needs a batch axis, 1 to 3 spatial axes and a channel axis");
  const Ints& size = call.attrs.integers("size");
  check_window(call, x.size() - 2);
  if (size.size() != x.size() - 2) infer_error(call, "size needs " + std::to_string(x.size() - 2) + " entries");
  Shape y = x;
  for (size_t i = 0; i < size.size(); ++i) {
    const int64_t reach = (size[i] - 1) * call.attrs.integers("dilations")[i] + 1;
    for (const char* pads : {"pads_begin", "pads_end"})
      if (const int64_t p = call.attrs.integers(pads)[i]; p > 0 && p >= reach)
        infer_error(call, "padding " + std::to_string(p) + " must be smaller than the window, " + std::to_string(reach) +
                              " on spatial axis " + std::to_string(i));
    Dim& d = y[spatial_axis(call.attrs, i)];
    d = count_windows(call, d, size[i], i, "window");
  }
  return y;
}

void check_type(const InferCall& call) {
  for (const TensorType& t : call.inputs)
    if (!is_float(t.dtype) || t.dtype != call.inputs[0].dtype) infer_error(call, "operands must be floating point, of one type");
}

void check_shape(const InferCall& call, const Shape& expected, const Shape& found) {
  if (!(expected == found)) infer_error(call, "expected shape " + to_string(expected) + ", not " + to_string(found));
}

std::vector<TensorType> infer_pool(const InferCall& call) {
  check_type(call);
  return {{call.inputs[0].dtype, pool_output_shape(call, call.inputs[0].shape)}};
}

std::vector<AttrSpec> max_attrs() { return window_attrs({{"size", Ints{}, true}}); }
std::vector<AttrSpec> avg_attrs(std::vector<AttrSpec> more = {}) {
  more.push_back({"size", Ints{}, true});
  more.push_back({"count_padding", int64_t{0}});
  return window_attrs(std::move(more));
}

// One comparison or addition per tap.
double pool_work(const CostCall& call, const Shape& y) {
  double taps = 1;
  for (int64_t s : call.attrs.integers("size")) taps *= static_cast<double>(s);
  return taps * static_cast<double>(element_count(y).value());
}

struct PoolGeometry {
  Shape x;
  Window window;
};

std::vector<PoolGeometry> pool_geometries() {
  return {
      {{2, 4, 6, 3}, {{2, 2}, {2, 2}}},
      {{1, 5, 7, 2}, {{3, 2}, {2, 2}, {}, {1, 0}, {1, 1}}},  // odd sizes, asymmetric padding
      {{1, 5, 5, 9}, {{3, 3}, {1, 1}, {}, {1, 1}, {1, 1}}},  // windows overlap
      {{1, 7, 6, 2}, {{2, 2}, {3, 4}}},                      // stride beyond the window
      {{1, 6, 6, 2}, {{2, 2}, {1, 2}, {2, 3}}},              // dilation
      {{1, 3, 4, 2}, {{3, 4}, {}}},                          // whole plane
      {{1, 1, 1, 1}, {{1, 1}, {}}},
      {{0, 4, 4, 2}, {{2, 2}, {2, 2}}},  // empty batch
      {{2, 3, 5, 4}, {{2, 2}, {2, 1}, {}, {1, 0}, {0, 1}, true}},
      {{2, 7, 3}, {{3}, {2}, {}, {1}, {1}}},
      {{1, 2, 6}, {{2}, {2}, {}, {}, {}, true}},
      {{1, 4, 3, 5, 2}, {{2, 2, 2}, {2, 1, 2}, {}, {0, 1, 0}, {0, 0, 1}}},
      {{1, 4, 4, 16}, {{2, 2}, {2, 2}}},
  };
}

Attrs pool_attrs_of(const Window& window) {
  Attrs attrs = window_values(window, window.size.size(), "pool");
  attrs.set("size", window.size);
  return attrs;
}

template <class F>
std::vector<Sample> pool_make_samples(const F& make) {
  std::vector<Sample> samples;
  for (const PoolGeometry& g : pool_geometries()) {
    const Attrs attrs = pool_attrs_of(g.window);
    const TensorType type{kF, g.x};
    samples.push_back(make(g.x, attrs, pool_output_shape({op_max_pool, {&type, 1}, attrs}, g.x)));
  }
  return samples;
}

// Average samples come with and without padding in the divisor.
template <class F>
std::vector<Sample> avg_samples(const F& make) {
  std::vector<Sample> samples;
  for (int64_t count_padding : {0, 1})
    for (Sample& s : pool_make_samples(make)) {
      s.attrs.set("count_padding", count_padding);
      samples.push_back(std::move(s));
    }
  return samples;
}

}  // namespace

const OpDef op_max_pool = {
    .name = "max_pool",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = max_attrs(),
    .infer = infer_pool,
    .grad = [](const GradCall& call) -> std::vector<Var> {
      return {add_op(op_max_pool_grad, {call.inputs[0], call.douts[0]}, call.attrs)};
    },
    .flops = [](const CostCall& call) { return pool_work(call, call.outputs[0].shape); },
    .samples =
        [] { return pool_make_samples([](const Shape& x, const Attrs& attrs, const Shape&) -> Sample {
               return {{{kF, x}}, attrs};
             }); },
};

// (x, dy) -> dx: each window's dy goes to its first maximum in window order (a NaN counts as the maximum).
const OpDef op_max_pool_grad = {
    .name = "max_pool_grad",
    .min_inputs = 2,
    .max_inputs = 2,
    .attrs = max_attrs(),
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_type(call);
      check_shape(call, pool_output_shape(call, call.inputs[0].shape), call.inputs[1].shape);
      return {call.inputs[0]};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      return {Var{}, add_op(op_max_pool_gather, {call.inputs[0], call.douts[0]}, call.attrs)};
    },
    .flops = [](const CostCall& call) { return pool_work(call, call.inputs[1].shape); },
    .samples =
        [] {
          return pool_make_samples([](const Shape& x, const Attrs& attrs, const Shape& y) -> Sample {
            return {{{kF, x}, {kF, y}}, attrs};
          });
        },
};

// (x, v) -> for each window the element of v where x has its first maximum; 0 for a window of padding alone.
const OpDef op_max_pool_gather = {
    .name = "max_pool_gather",
    .min_inputs = 2,
    .max_inputs = 2,
    .attrs = max_attrs(),
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_type(call);
      check_shape(call, call.inputs[0].shape, call.inputs[1].shape);
      return {{call.inputs[0].dtype, pool_output_shape(call, call.inputs[0].shape)}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      return {Var{}, add_op(op_max_pool_grad, {call.inputs[0], call.douts[0]}, call.attrs)};
    },
    .flops = [](const CostCall& call) { return pool_work(call, call.outputs[0].shape); },
    .samples =
        [] {
          return pool_make_samples([](const Shape& x, const Attrs& attrs, const Shape&) -> Sample { return {{{kF, x}, {kF, x}}, attrs}; });
        },
};

const OpDef op_avg_pool = {
    .name = "avg_pool",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = avg_attrs(),
    .infer = infer_pool,
    .grad = [](const GradCall& call) -> std::vector<Var> {
      Attrs attrs = call.attrs;
      attrs.set("x_shape", call.inputs[0].shape());
      return {add_op(op_avg_pool_grad, {call.douts[0]}, std::move(attrs))};
    },
    .flops = [](const CostCall& call) { return pool_work(call, call.outputs[0].shape); },
    .samples = [] { return avg_samples([](const Shape& x, const Attrs& attrs, const Shape&) -> Sample {
                      return {{{kF, x}}, attrs};
                    }); },
};

const OpDef op_avg_pool_grad = {
    .name = "avg_pool_grad",
    .min_inputs = 1,
    .max_inputs = 1,
    .attrs = avg_attrs({{"x_shape", Shape{}, true}}),
    .infer = [](const InferCall& call) -> std::vector<TensorType> {
      check_type(call);
      const Shape& x = call.attrs.shape("x_shape");
      check_shape(call, pool_output_shape(call, x), call.inputs[0].shape);
      return {{call.inputs[0].dtype, x}};
    },
    .grad = [](const GradCall& call) -> std::vector<Var> {
      Attrs attrs;
      for (const auto& [name, value] : call.attrs.values())
        if (name != "x_shape") attrs.set(name, value);
      return {add_op(op_avg_pool, {call.douts[0]}, std::move(attrs))};
    },
    .flops = [](const CostCall& call) { return pool_work(call, call.inputs[0].shape); },
    .samples =
        [] {
          return avg_samples([](const Shape& x, Attrs attrs, const Shape& y) -> Sample {
            attrs.set("x_shape", x);
            return {{{kF, y}}, attrs};
          });
        },
};

Var max_pool(Var x, const Window& window) { return add_op(op_max_pool, {x}, pool_attrs_of(window)); }

Var avg_pool(Var x, const Window& window, bool count_padding) {
  Attrs attrs = pool_attrs_of(window);
  attrs.set("count_padding", int64_t{count_padding});
  return add_op(op_avg_pool, {x}, std::move(attrs));
}

}  // namespace dl
