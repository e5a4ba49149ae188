#include "layers/conv_transpose.h"

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

ConfigKey output_padding_key(size_t spatial) {
  ConfigKey key = tuple_key("output_padding", spatial, spec::Node());
  key.min = 0;
  return key;
}

}  // namespace

std::vector<ConfigKey> conv_transpose_keys(size_t spatial) {
  return join_keys({int_key("filters", 1), tuple_key("kernel_size", spatial), tuple_key("strides", spatial, spec::Node::integer(1)),
                    choice_key("padding", {"valid", "same"}, "valid"), output_padding_key(spatial), data_format_key(),
                    tuple_key("dilation_rate", spatial, spec::Node::integer(1))},
                   conv_output_keys("kernel"));
}

void check_conv_transpose(Layer& layer, spec::Reader& reader) {
  const Config& config = layer.config;
  if (!config.given("output_padding")) return;
  const std::vector<int64_t> paddings = config.integers("output_padding"), strides = config.integers("strides");
  for (size_t i = 0; i < paddings.size(); ++i)
    if (paddings[i] >= strides[i])
      reader.report("output_padding", fmt::format("is {}, must be less than the stride {}", paddings[i], strides[i]));
}

std::vector<MaskedVar> build_conv_transpose(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  const bool channels_first = config.text("data_format") == "channels_first";
  const Var x = context.to_compute(inputs[0].value);
  const std::vector<int64_t> kernel = config.integers("kernel_size"), strides = config.integers("strides"),
                             dilations = config.integers("dilation_rate");
  require_rank(x, static_cast<int64_t>(kernel.size()), context.layer().def->class_name, channels_first);
  const Dim filters(config.integer("filters"));
  const Shape sizes = spatial_sizes(x, channels_first);
  Window window;
  window.strides = strides;
  window.dilations = dilations;
  window.channels_first = channels_first;
  Shape y_shape = {x.dim(0)}, kernel_shape;
  if (channels_first) y_shape.push_back(filters);
  for (size_t i = 0; i < kernel.size(); ++i) {
    const spec::Node* padding = config.given("output_padding") ? &config.node("output_padding").items()[i] : nullptr;
    const Axis axis = transpose_axis(sizes[i], kernel[i], strides[i], dilations[i], config.text("padding") == "same", padding);
    y_shape.push_back(axis.size);
    kernel_shape.push_back(Dim(kernel[i]));
    window.pads_begin.push_back(axis.pad_begin);
    window.pads_end.push_back(axis.pad_end);
  }
  if (!channels_first) y_shape.push_back(filters);
  kernel_shape.push_back(filters);
  kernel_shape.push_back(x.dim(channel_axis(x, channels_first)));
  const Var weight = context.add_weight("kernel", kernel_shape);
  return {{finish_conv(context, conv_input_grad(x, weight, y_shape, window), filters, channels_first), {}}};
}

}  // namespace dl
