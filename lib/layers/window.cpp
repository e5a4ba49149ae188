#include "layers/window.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "ops/builders.h"

namespace dl {

Shape spatial_sizes(Var x, bool channels_first) {
  const auto first = x.shape().begin() + (channels_first ? 2 : 1);
  return Shape(first, first + (x.rank() - 2));
}

int64_t channel_axis(Var x, bool channels_first) { return channels_first ? 1 : x.rank() - 1; }

Window make_window(Var x, const std::string& padding, std::vector<int64_t> kernel, std::vector<int64_t> strides,
                   std::vector<int64_t> dilations, bool channels_first) {
  const Shape sizes = spatial_sizes(x, channels_first);
  Window window;
  window.pads_begin.assign(sizes.size(), 0);
  window.pads_end.assign(sizes.size(), 0);
  for (size_t i = 0; i < sizes.size(); ++i) {
    const int64_t reach = (kernel[i] - 1) * dilations[i];
    if (padding == "causal") window.pads_begin[i] = reach;
    if (padding != "same") continue;
    int64_t total = reach;
    if (strides[i] > 1) {
      if (!sizes[i].known())
        throw UserError(fmt::format("padding 'same' with stride {} needs to know the size '{}': give it in the input's shape", strides[i],
                                    to_string(sizes[i])));
      const int64_t size = sizes[i].value(), out = (size + strides[i] - 1) / strides[i];
      total = std::max<int64_t>((out - 1) * strides[i] + reach + 1 - size, 0);
    }
    window.pads_begin[i] = total / 2;
    window.pads_end[i] = total - total / 2;
  }
  window.size = std::move(kernel);
  window.strides = std::move(strides);
  window.dilations = std::move(dilations);
  window.channels_first = channels_first;
  return window;
}

Var add_channel_bias(Var y, Var bias, bool channels_first) {
  if (!channels_first) return y + bias;
  Shape shape(static_cast<size_t>(y.rank() - 1), Dim(1));  // broadcasts over the batch
  shape[0] = bias.dim(0);
  return y + reshape(bias, shape);
}

void require_rank(Var x, int64_t spatial, const char* class_name, bool channels_first) {
  if (x.rank() == spatial + 2) return;
  const char* axes = spatial == 1 ? "time" : spatial == 2 ? "height, width" : "depth, height, width";
  throw UserError(fmt::format("{} needs {} axes [batch, {}], got {}", class_name, spatial + 2,
                              channels_first ? fmt::format("channels, {}", axes) : fmt::format("{}, channels", axes),
                              to_string(x.shape())));
}

}  // namespace dl
