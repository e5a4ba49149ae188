// Convolutions. ONNX is channels-first with kernels [out, in / groups, spatial...]; the graph's kernels are [spatial..., in / groups, out].
#include <algorithm>

#include "io/onnx/importer.h"
#include "io/onnx/windows.h"
#include "ops/nn.h"
#include "ops/ops.h"

namespace dl::onnx {
namespace {

using Ints = std::vector<int64_t>;

// [a, b, spatial...] -> [spatial..., b, a].
Var to_kernel(Var w) {
  Ints perm;
  for (int64_t i = 2; i < w.rank(); ++i) perm.push_back(i);
  perm.insert(perm.end(), {1, 0});
  return transpose(w, perm);
}

Var add_bias(Var y, Var bias) {
  Shape shape(y.shape().size(), Dim(1));
  shape[1] = bias.dim(0);
  return y + reshape(bias, shape);
}

struct Operands {
  Var x, w;
  size_t spatial;
  Ints kernel;  // spatial sizes
};
Operands operands_of(NodeCall& call) {
  Operands o{call.in(0), call.in(1), 0, {}};
  if (o.x.rank() < 3 || o.w.rank() != o.x.rank()) call.fail("operands need a batch, a channel and the same number of spatial axes");
  o.spatial = o.x.shape().size() - 2;
  if (o.spatial > 3) call.unsupported("a window over more than 3 spatial axes");
  for (size_t i = 0; i < o.spatial; ++i) o.kernel.push_back(known_size(call, o.w.shape()[i + 2], "the kernel"));
  const Ints given = call.integers("kernel_shape");
  if (!given.empty() && given != o.kernel) call.fail("kernel_shape is not that of the kernel");
  if (call.has(2) && call.in(2).rank() != 1) call.fail("the bias needs one axis");
  return o;
}

OnnxValues import_conv(NodeCall& call) {
  const Operands o = operands_of(call);
  Windows windows(call, o.spatial, o.kernel);
  for (size_t i = 0; i < o.spatial; ++i) windows.resolve_auto_pad(o.x.shape()[i + 2], i);
  Window window = windows.window();
  window.size.clear();
  // Negative padding takes elements away.
  Var x = o.x;
  for (size_t i = 0; i < o.spatial; ++i) {
    int64_t &before = window.pads_begin[i], &after = window.pads_end[i];
    if (before >= 0 && after >= 0) continue;
    const int64_t low = std::max<int64_t>(0, -before), high = std::max<int64_t>(0, -after), axis = static_cast<int64_t>(i) + 2;
    x = slice_axis(x, axis, low, x.dim(axis) - Dim(low) - Dim(high));
    before = std::max<int64_t>(before, 0), after = std::max<int64_t>(after, 0);
  }
  const Var y = conv(x, to_kernel(o.w), window, call.integer("group", 1));
  return {call.has(2) ? add_bias(y, call.in(2)) : y};
}

OnnxValues import_conv_transpose(NodeCall& call) {
  const Operands o = operands_of(call);
  const int64_t groups = call.integer("group", 1);
  if (groups < 1) call.fail("group must be positive");
  Windows windows(call, o.spatial, o.kernel);
  Ints extra = call.integers("output_padding");
  extra.resize(o.spatial, 0);
  const Ints wanted = call.integers("output_shape");
  if (!wanted.empty() && wanted.size() != o.spatial) call.fail("output_shape needs a size for each spatial axis");
  Shape full = o.x.shape();  // before padding is taken off
  full[1] = o.w.shape()[1] * Dim(groups);
  Window window = windows.window();
  window.size.clear();
  for (size_t i = 0; i < o.spatial; ++i) {
    const Dim in = o.x.shape()[i + 2];
    full[i + 2] = (in - Dim(1)) * Dim(windows.strides[i]) + Dim(windows.reach(i));
    if (!wanted.empty() || windows.same()) {
      const int64_t out = wanted.empty() ? 0 : wanted[i];
      const Dim target = wanted.empty() ? in * Dim(windows.strides[i]) : Dim(out);
      const int64_t total = known_size(call, full[i + 2] + Dim(extra[i]) - target, "the padding");
      const bool upper = windows.auto_pad == "SAME_UPPER";
      const int64_t half = total < 0 ? -((-total) / 2) : total / 2;
      window.pads_begin[i] = upper ? half : total - half;
      window.pads_end[i] = upper ? total - half : half;
    }
  }
  const Ints begin = window.pads_begin, end = window.pads_end;
  // The common case is one operator: conv's own gradient with that padding. Else the whole result is cut or filled up afterwards.
  bool direct = true;
  for (size_t i = 0; i < o.spatial; ++i) direct &= begin[i] >= 0 && end[i] >= 0 && extra[i] >= 0 && extra[i] < windows.strides[i];
  Shape shape = full;
  for (size_t i = 0; i < o.spatial; ++i) {
    if (direct) shape[i + 2] = full[i + 2] - Dim(begin[i]) - Dim(end[i]) + Dim(extra[i]);
    if (!direct) window.pads_begin[i] = window.pads_end[i] = 0;
  }
  Var y = conv_input_grad(o.x, to_kernel(o.w), shape, window, groups);
  for (size_t i = 0; i < o.spatial && !direct; ++i) {
    const auto axis = static_cast<int64_t>(i) + 2;
    const int64_t cut = end[i] - extra[i];
    y = slice_axis(y, axis, std::max<int64_t>(begin[i], 0),
                   y.dim(axis) - Dim(std::max<int64_t>(begin[i], 0)) - Dim(std::max<int64_t>(cut, 0)));
    Shape before(y.shape().size(), Dim(0)), after = before;
    before[i + 2] = std::max<int64_t>(-begin[i], 0), after[i + 2] = std::max<int64_t>(-cut, 0);
    y = pad(y, before, after);
  }
  return {call.has(2) ? add_bias(y, call.in(2)) : y};
}

constexpr OpRow kRows[] = {
    {"Conv", 1, import_conv},
    {"ConvTranspose", 1, import_conv_transpose},
};

}  // namespace

std::span<const OpRow> onnx_rows_conv() { return kRows; }

}  // namespace dl::onnx
