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
