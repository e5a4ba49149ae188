// Convolutions. ONNX is channels-first with kernels [out, in / groups, spatial...]; the graph's kernels are [spatial..., in / groups, out].
#include <algorithm>

#include "io/onnx/importer.h"
#include "io/onnx/windows.h"
#include "ops/nn.h"
#include "ops/ops.h"

namespace dl::onnx {
namespace {

using Ints = std::vector<int64_t>;

OnnxValues import_conv(NodeCall& call) {
  const Convolution c = convolution_of(call, call.in(0), call.in(1));
  const Var y = conv(c.x, c.kernel, c.window, c.groups);
  return {call.has(2) ? add_bias(call, y, call.in(2)) : y};
}

OnnxValues import_conv_transpose(NodeCall& call) {
  const Var x = call.in(0), w = call.in(1);
  const Ints kernel = kernel_sizes(call, x, w);
  const size_t spatial = kernel.size();
  const int64_t groups = call.integer("group", 1);
  if (groups < 1) call.fail("group must be positive");
  Windows windows(call, spatial, kernel);
  Ints extra = call.integers("output_padding");
  extra.resize(spatial, 0);
  const Ints wanted = call.integers("output_shape");
  if (!wanted.empty() && wanted.size() != spatial) call.fail("output_shape needs a size for each spatial axis");
  Shape full = x.shape();  // before padding is taken off
  full[1] = w.shape()[1] * Dim(groups);
  Window window = windows.window();
  window.size.clear();
  for (size_t i = 0; i < spatial; ++i) {
    const Dim in = x.shape()[i + 2];
    full[i + 2] = (in - Dim(1)) * Dim(windows.strides[i]) + Dim(windows.reach(i));
    if (!wanted.empty() || windows.same()) {
      const int64_t out = wanted.empty() ? 0 : wanted[i];
      const Dim target = wanted.empty() ? in * Dim(windows.strides[i]) : Dim(out);
      const int64_t total = known_size(call, full[i + 2] + Dim(extra[i]) - target, "the padding");
      const bool upper = windows.auto_pad == "SAME_UPPER";
      const int64_t half = total / 2 - (total % 2 < 0 ? 1 : 0);  // rounded down
      window.pads_begin[i] = upper ? half : total - half;
      window.pads_end[i] = upper ? total - half : half;
    }
  }
  const Ints begin = window.pads_begin, end = window.pads_end;
  // The common case is one operator: conv's own gradient with that padding. Else the whole result is cut or filled up afterwards.
  bool direct = true;
  for (size_t i = 0; i < spatial; ++i) direct &= begin[i] >= 0 && end[i] >= 0 && extra[i] >= 0 && extra[i] < windows.strides[i];
  Shape shape = full;
  for (size_t i = 0; i < spatial; ++i) {
    if (direct) shape[i + 2] = full[i + 2] - Dim(begin[i]) - Dim(end[i]) + Dim(extra[i]);
    if (!direct) window.pads_begin[i] = window.pads_end[i] = 0;
  }
  Var y = conv_input_grad(x, to_kernel(w), shape, window, groups);
  for (size_t i = 0; i < spatial && !direct; ++i) {
    const auto axis = static_cast<int64_t>(i) + 2;
    const int64_t cut = end[i] - extra[i];
    y = slice_axis(y, axis, std::max<int64_t>(begin[i], 0),
                   y.dim(axis) - Dim(std::max<int64_t>(begin[i], 0)) - Dim(std::max<int64_t>(cut, 0)));
    Shape before(y.shape().size(), Dim(0)), after = before;
    before[i + 2] = std::max<int64_t>(-begin[i], 0), after[i + 2] = std::max<int64_t>(-cut, 0);
    y = pad(y, before, after);
  }
  return {call.has(2) ? add_bias(call, y, call.in(2)) : y};
}

constexpr OpRow kConvRows[] = {
    {"Conv", 1, import_conv},
    {"ConvTranspose", 1, import_conv_transpose},
};

}  // namespace

std::span<const OpRow> onnx_rows_conv() { return kConvRows; }

}  // namespace dl::onnx
