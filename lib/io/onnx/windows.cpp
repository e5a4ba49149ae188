#include "io/onnx/windows.h"

#include <algorithm>

namespace dl::onnx {
namespace {

constexpr int64_t kMaxAttribute = int64_t{1} << 31;  // products of two do not overflow

}  // namespace

int64_t known_size(NodeCall& call, Dim size, const std::string& what) {
  if (size.known()) return size.value();
  // Asks for a value that depends on the size: says which inputs leave it open.
  call.importer().evaluate(OnnxValue(Sizes{{size}, true}), what);
  return 0;
}

Var to_kernel(Var w) {
  std::vector<int64_t> perm;
  for (int64_t i = 2; i < w.rank(); ++i) perm.push_back(i);
  perm.insert(perm.end(), {1, 0});
  return transpose(w, perm);
}

Var add_bias(NodeCall& call, Var y, Var bias) {
  if (bias.rank() != 1) call.fail("the bias needs one axis");
  Shape shape(y.shape().size(), Dim(1));
  shape[1] = bias.dim(0);
  return y + reshape(bias, shape);
}

std::vector<int64_t> kernel_sizes(NodeCall& call, Var x, Var w) {
  if (x.rank() < 3 || w.rank() != x.rank()) call.fail("operands need a batch, a channel and the same number of spatial axes");
  if (x.rank() > 5) call.unsupported("a window over more than 3 spatial axes");
  std::vector<int64_t> sizes;
  for (int64_t i = 2; i < w.rank(); ++i) sizes.push_back(known_size(call, w.dim(i), "the kernel"));
  const std::vector<int64_t> given = call.integers("kernel_shape");
  if (!given.empty() && given != sizes) call.fail("kernel_shape is not that of the kernel");
  return sizes;
}

Convolution convolution_of(NodeCall& call, Var x, Var w) {
  const std::vector<int64_t> kernel = kernel_sizes(call, x, w);
  Windows windows(call, kernel.size(), kernel);
  for (size_t i = 0; i < kernel.size(); ++i) windows.resolve_auto_pad(x.shape()[i + 2], i);
  Window window = windows.window();
  window.size.clear();
  // Negative padding takes elements away.
  for (size_t i = 0; i < kernel.size(); ++i) {
    int64_t &before = window.pads_begin[i], &after = window.pads_end[i];
    if (before >= 0 && after >= 0) continue;
    const int64_t low = std::max<int64_t>(0, -before), high = std::max<int64_t>(0, -after), axis = static_cast<int64_t>(i) + 2;
    x = slice_axis(x, axis, low, x.dim(axis) - Dim(low) - Dim(high));
    before = std::max<int64_t>(before, 0), after = std::max<int64_t>(after, 0);
  }
  return {x, to_kernel(w), window, call.integer("group", 1)};
}

Windows::Windows(NodeCall& call, size_t spatial, std::vector<int64_t> kernel)
    : size(std::move(kernel)),
      strides(call.integers("strides")),
      dilations(call.integers("dilations")),
      auto_pad(call.text("auto_pad", "NOTSET")),
      call_(call) {
  if (strides.empty()) strides.assign(spatial, 1);
  if (dilations.empty()) dilations.assign(spatial, 1);
  std::vector<int64_t> pads = call.integers("pads");
  if (pads.empty() || auto_pad != "NOTSET") pads.assign(2 * spatial, 0);
  if (size.size() != spatial || strides.size() != spatial || dilations.size() != spatial || pads.size() != 2 * spatial)
    call.fail("kernel_shape, strides and dilations need one number for each of " + std::to_string(spatial) + " spatial axes, pads two");
  for (const auto* list : {&size, &strides, &dilations, &pads})
    for (int64_t v : *list)
      if (v > kMaxAttribute || v < (list == &pads ? -kMaxAttribute : 1)) call.fail("kernel, strides and dilations must be positive");
  if (auto_pad != "NOTSET" && auto_pad != "VALID" && !same()) call.fail("auto_pad is '" + auto_pad.substr(0, 40) + "'");
  pads_begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(spatial));
  pads_end.assign(pads.begin() + static_cast<std::ptrdiff_t>(spatial), pads.end());
}

void Windows::resolve_auto_pad(Dim in, size_t i) {
  if (!same()) return;
  int64_t total = reach(i) - 1;
  if (strides[i] != 1) {
    const int64_t n = known_size(call_, in, "the padding");
    total = std::max<int64_t>(((n + strides[i] - 1) / strides[i] - 1) * strides[i] + reach(i) - n, 0);
  }
  const int64_t half = total / 2;
  pads_begin[i] = auto_pad == "SAME_UPPER" ? half : total - half;
  pads_end[i] = total - pads_begin[i];
}

Window Windows::window() const { return {size, strides, dilations, pads_begin, pads_end, true}; }

}  // namespace dl::onnx
