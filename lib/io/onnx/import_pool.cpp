// Pools. What ceil_mode adds at the end is padding that no average counts.
#include <algorithm>

#include "io/onnx/importer.h"
#include "io/onnx/windows.h"
#include "ops/nn.h"
#include "ops/ops.h"
#include "ops/window.h"

namespace dl::onnx {
namespace {

using Ints = std::vector<int64_t>;

struct Pool {
  Var x;
  Windows windows;
  Ints extra;  // padding at the end beyond the given one: from ceil_mode; negative where elements are never reached
};

Pool pool_of(NodeCall& call) {
  const Var x = call.in(0);
  if (x.rank() < 3) call.fail("the operand needs a batch, a channel and spatial axes");
  const size_t spatial = x.shape().size() - 2;
  if (spatial > 3) call.unsupported("a window over more than 3 spatial axes");
  Pool pool{x, Windows(call, spatial, call.integers("kernel_shape")), Ints(spatial, 0)};
  Windows& w = pool.windows;
  const bool ceil_mode = call.integer("ceil_mode", 0) != 0;
  for (size_t i = 0; i < spatial; ++i) {
    w.resolve_auto_pad(x.shape()[i + 2], i);
    if (w.pads_begin[i] < 0 || w.pads_end[i] < 0) call.unsupported("negative padding of a pool");
    if (!ceil_mode || w.same()) continue;
    const int64_t in = known_size(call, x.shape()[i + 2], "a pool with ceil_mode"), padded = in + w.pads_begin[i] + w.pads_end[i];
    if (padded < w.reach(i)) call.fail("the window exceeds the padded input");
    int64_t out = (padded - w.reach(i) + w.strides[i] - 1) / w.strides[i] + 1;
    if ((out - 1) * w.strides[i] >= in + w.pads_begin[i]) --out;
    pool.extra[i] = (out - 1) * w.strides[i] + w.reach(i) - padded;
  }
  return pool;
}

// x with `value` around it, and no padding left to the window.
Var pad_spatial(Var x, const Ints& before, const Ints& after, double value) {
  Shape low(x.shape().size(), Dim(0)), high = low;
  for (size_t i = 0; i < before.size(); ++i) low[i + 2] = before[i], high[i + 2] = after[i];
  return pad(x, low, high, value);
}

Var crop_end(Var x, const Ints& extra) {
  for (size_t i = 0; i < extra.size(); ++i)
    if (extra[i] < 0) {
      const auto axis = static_cast<int64_t>(i) + 2;
      x = slice_axis(x, axis, 0, x.dim(axis) + Dim(extra[i]));
    }
  return x;
}

// For each window the place of its first maximum in the whole tensor, row-major or, within the spatial axes, column-major.
Var max_places(NodeCall& call, Var x, const Window& window, Var original) {
  const int64_t order = call.integer("storage_order", 0);
  const auto rank = static_cast<size_t>(original.rank());
  std::vector<double> strides(rank, 1);
  const auto size = [&](size_t i) { return static_cast<double>(known_size(call, original.shape()[i], "the places of maxima")); };
  double planes = 1;
  if (order == 0) {
    for (size_t i = rank; i-- > 2;) strides[i] = planes, planes *= size(i);
  } else {
    for (size_t i = 2; i < rank; ++i) strides[i] = planes, planes *= size(i);
  }
  strides[1] = planes;
  strides[0] = planes * size(1);
  Var place = iota(call.graph(), DType::kFloat64, x.shape(), 0) * strides[0];
  for (size_t i = 1; i < rank; ++i) place = place + iota(call.graph(), DType::kFloat64, x.shape(), static_cast<int64_t>(i)) * strides[i];
  const Var wide = cast(x, DType::kFloat64);
  Attrs attrs = window_values(window, window.size.size(), "pool");
  attrs.set("size", window.size);
  return cast(add_op(op_max_pool_gather, {wide, place}, std::move(attrs)), DType::kInt64);
}

OnnxValues import_max_pool(NodeCall& call) {
  Pool pool = pool_of(call);
  const DType type = pool.x.dtype();
  Var x = is_float(type) ? pool.x : cast(pool.x, DType::kFloat32);
  if (!is_float(type) && size_of(type) > 2) call.unsupported("a pool of wide integers");
  Window window = pool.windows.window();
  for (size_t i = 0; i < pool.extra.size(); ++i) {
    window.pads_end[i] += pool.extra[i];
    if (window.pads_end[i] < 0) {  // the end of x is never reached
      const auto axis = static_cast<int64_t>(i) + 2;
      x = slice_axis(x, axis, 0, x.dim(axis) + Dim(window.pads_end[i]));
      window.pads_end[i] = 0;
    }
  }
  OnnxValues results = {cast(max_pool(x, window), type)};
  if (call.wants(1)) results.emplace_back(max_places(call, x, window, pool.x));
  return results;
}

// Averages or sums over windows of x, padding counted where `count_padding`.
Var average(Pool& pool, bool count_padding) {
  Window window = pool.windows.window();
  Var x = pool.x;
  if (count_padding) {
    x = pad_spatial(x, window.pads_begin, window.pads_end, 0);
    std::fill(window.pads_begin.begin(), window.pads_begin.end(), 0);
    std::fill(window.pads_end.begin(), window.pads_end.end(), 0);
  }
  Ints cut(pool.extra.size(), 0);
  for (size_t i = 0; i < pool.extra.size(); ++i) {
    window.pads_end[i] += pool.extra[i];
    cut[i] = std::min<int64_t>(window.pads_end[i], 0);
    window.pads_end[i] = std::max<int64_t>(window.pads_end[i], 0);
  }
  return avg_pool(crop_end(x, cut), window, false);
}

OnnxValues import_average_pool(NodeCall& call) {
  Pool pool = pool_of(call);
  return {average(pool, call.integer("count_include_pad", 0) != 0)};
}

// (sum |x|^p)^(1/p): padding and what lies beyond it add nothing.
OnnxValues import_lp_pool(NodeCall& call) {
  Pool pool = pool_of(call);
  const auto p = static_cast<double>(call.integer("p", 2));
  double taps = 1;
  for (int64_t s : pool.windows.size) taps *= static_cast<double>(s);
  const Var x = pool.x;
  Window window = pool.windows.window();
  Ints after = window.pads_end;
  for (size_t i = 0; i < after.size(); ++i) after[i] += pool.extra[i];
  Ints cut(after.size(), 0);
  for (size_t i = 0; i < after.size(); ++i) cut[i] = std::min<int64_t>(after[i], 0), after[i] = std::max<int64_t>(after[i], 0);
  const Var powers = p == 2 ? x * x : pow(abs(x), p);
  const Var padded = pad_spatial(crop_end(powers, cut), window.pads_begin, after, 0);
  std::fill(window.pads_begin.begin(), window.pads_begin.end(), 0);
  std::fill(window.pads_end.begin(), window.pads_end.end(), 0);
  const Var sum = avg_pool(padded, window) * taps;
  return {p == 1 ? sum : p == 2 ? sqrt(sum) : pow(sum, 1 / p)};
}

Ints spatial_axes(NodeCall& call, Var x) {
  if (x.rank() < 2) call.fail("the operand needs a batch and a channel axis");
  Ints axes;
  for (int64_t i = 2; i < x.rank(); ++i) axes.push_back(i);
  return axes;
}

OnnxValues import_global_average_pool(NodeCall& call) {
  const Var x = call.in(0);
  const Ints axes = spatial_axes(call, x);
  return {axes.empty() ? x : reduce_mean(x, axes, true)};
}
OnnxValues import_global_max_pool(NodeCall& call) {
  const Var x = call.in(0);
  const Ints axes = spatial_axes(call, x);
  return {axes.empty() ? x : reduce_max(x, axes, true)};
}
OnnxValues import_global_lp_pool(NodeCall& call) {
  const Var x = call.in(0);
  const Ints axes = spatial_axes(call, x);
  const auto p = static_cast<double>(call.integer("p", 2));
  const Var powers = p == 2 ? x * x : pow(abs(x), p), sum = axes.empty() ? powers : reduce_sum(powers, axes, true);
  return {p == 2 ? sqrt(sum) : pow(sum, 1 / p)};
}

constexpr OpRow kPoolRows[] = {
    {"MaxPool", 1, import_max_pool},
    {"AveragePool", 1, import_average_pool},
    {"LpPool", 2, import_lp_pool},
    {"GlobalAveragePool", 1, import_global_average_pool},
    {"GlobalMaxPool", 1, import_global_max_pool},
    {"GlobalLpPool", 2, import_global_lp_pool},
};

}  // namespace

std::span<const OpRow> onnx_rows_pool() { return kPoolRows; }

}  // namespace dl::onnx
