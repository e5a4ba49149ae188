#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "layers/conv_layer.h"
#include "layers/window.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

// One spatial axis of the convolution whose input gradient this layer is: the size of its input (this layer's output) and
// its pads. Keras's rules for `output_padding` (none given: 'same' gives input * stride).
struct Axis {
  Dim size;
  int64_t pad_begin, pad_end;
};

Axis transpose_axis(Dim in, int64_t kernel, int64_t stride, int64_t dilation, bool same, const spec::Node* output_padding) {
  const int64_t reach = (kernel - 1) * dilation + 1;
  int64_t left = 0, right = 0;  // cells around the input, spread by the stride, of the equivalent plain convolution
  if (!same) {
    left = reach - 1;
    right = reach - 1 + (output_padding ? output_padding->as_int() : std::max(reach, stride) - reach);
  } else {
    const int64_t total = output_padding ? reach + reach % 2 - 2 + output_padding->as_int() : stride + reach - 2;
    left = std::min(total / 2 + total % 2, reach - 1);
    right = total - left;
  }
  const Dim size = (in - Dim(1)) * Dim(stride) + Dim(left + right + 2 - reach);
  // Cells at the end that no window reaches need no pad.
  return {size, reach - 1 - left, std::max<int64_t>(reach - 1 - right, 0)};
}

std::vector<MaskedVar> build(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  const bool channels_first = config.text("data_format") == "channels_first";
  const Var x = context.to_compute(inputs[0].value);
  require_rank(x, 2, "Conv2DTranspose", channels_first);
  const std::vector<int64_t> kernel = config.integers("kernel_size"), strides = config.integers("strides"),
                             dilations = config.integers("dilation_rate");
  const Dim filters(config.integer("filters"));
  const Shape sizes = spatial_sizes(x, channels_first);
  Window window;
  window.strides = strides;
  window.dilations = dilations;
  window.channels_first = channels_first;
  Shape out;
  for (size_t i = 0; i < 2; ++i) {
    const spec::Node* padding = config.given("output_padding") ? &config.node("output_padding").items()[i] : nullptr;
    const Axis axis = transpose_axis(sizes[i], kernel[i], strides[i], dilations[i], config.text("padding") == "same", padding);
    out.push_back(axis.size);
    window.pads_begin.push_back(axis.pad_begin);
    window.pads_end.push_back(axis.pad_end);
  }
  const Shape y_shape = channels_first ? Shape{x.dim(0), filters, out[0], out[1]} : Shape{x.dim(0), out[0], out[1], filters};
  const Var weight = context.add_weight("kernel", {Dim(kernel[0]), Dim(kernel[1]), filters, x.dim(channel_axis(x, channels_first))});
  return {{finish_conv(context, conv_input_grad(x, weight, y_shape, window), filters, channels_first), {}}};
}

ConfigKey output_padding_key() {
  ConfigKey key = tuple_key("output_padding", 2, spec::Node());
  key.min = 0;
  return key;
}

}  // namespace

const LayerDef layer_conv2d_transpose = {
    .class_name = "Conv2DTranspose",
    .summary = "Transposed 2-D convolution; kernel [height, width, filters, in].",
    .keys = join_keys({int_key("filters", 1), tuple_key("kernel_size", 2), tuple_key("strides", 2, spec::Node::integer(1)),
                       choice_key("padding", {"valid", "same"}, "valid"), output_padding_key(), data_format_key(),
                       tuple_key("dilation_rate", 2, spec::Node::integer(1))},
                      conv_output_keys("kernel")),
    .check =
        [](Layer& layer, spec::Reader& reader) {
          const Config& config = layer.config;
          if (!config.given("output_padding")) return;
          for (size_t i = 0; i < 2; ++i)
            if (config.integers("output_padding")[i] >= config.integers("strides")[i])
              reader.report("output_padding", fmt::format("is {}, must be less than the stride {}", config.integers("output_padding")[i],
                                                          config.integers("strides")[i]));
        },
    .build = build,
};

}  // namespace dl
