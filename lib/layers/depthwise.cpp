#include "layers/depthwise.h"

#include "base/error.h"
#include "layers/conv_layer.h"
#include "layers/window.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

std::vector<ConfigKey> window_keys(size_t spatial) {
  return {tuple_key("kernel_size", spatial),
          tuple_key("strides", spatial, spec::Node::integer(1)),
          choice_key("padding", {"valid", "same"}, "valid"),
          int_key("depth_multiplier", spec::Node::integer(1), 1),
          data_format_key(),
          tuple_key("dilation_rate", spatial, spec::Node::integer(1))};
}

bool is_channels_first(const LayerContext& context) { return context.config().text("data_format") == "channels_first"; }

// The convolution of each channel by itself with the weight `name`.
Var convolve_channels(LayerContext& context, Var x, const char* name) {
  const Config& config = context.config();
  const bool channels_first = is_channels_first(context);
  const std::vector<int64_t> size = config.integers("kernel_size");
  require_rank(x, static_cast<int64_t>(size.size()), context.layer().def->class_name, channels_first);
  const Dim channels = x.dim(channel_axis(x, channels_first));
  if (!channels.known()) throw UserError("the number of channels must be known; the input is " + to_string(x.shape()));
  const Dim multiplier(config.integer("depth_multiplier"));
  Shape shape(size.begin(), size.end()), grouped = shape;
  shape.insert(shape.end(), {channels, multiplier});
  grouped.insert(grouped.end(), {Dim(1), channels * multiplier});
  // Channel c makes outputs c * multiplier + m: a convolution with one group per channel, the same bytes.
  const Var kernel = reshape(context.add_weight(name, shape, "depthwise"), grouped);
  const Window window =
      make_window(x, config.text("padding"), size, config.integers("strides"), config.integers("dilation_rate"), channels_first);
  return conv(x, kernel, window, channels.value());
}

}  // namespace

std::vector<ConfigKey> depthwise_conv_keys(size_t spatial) { return join_keys(window_keys(spatial), conv_output_keys("depthwise")); }

std::vector<MaskedVar> build_depthwise_conv(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Var y = convolve_channels(context, context.to_compute(inputs[0].value), "kernel");
  const bool channels_first = is_channels_first(context);
  return {{finish_conv(context, y, y.dim(channel_axis(y, channels_first)), channels_first), {}}};
}

std::vector<ConfigKey> separable_conv_keys(size_t spatial) {
  return join_keys({int_key("filters", 1), initializer_key("pointwise_initializer", "glorot_uniform"),
                    regularizer_key("pointwise_regularizer"), constraint_key("pointwise_constraint")},
                   depthwise_conv_keys(spatial));
}

std::vector<MaskedVar> build_separable_conv(LayerContext& context, std::span<const MaskedVar> inputs) {
  const bool channels_first = is_channels_first(context);
  const Var spread = convolve_channels(context, context.to_compute(inputs[0].value), "depthwise_kernel");
  const Dim filters(context.config().integer("filters"));
  Shape shape(static_cast<size_t>(spread.rank() - 2), Dim(1));
  shape.insert(shape.end(), {spread.dim(channel_axis(spread, channels_first)), filters});
  Window window;
  window.channels_first = channels_first;
  const Var y = conv(spread, context.add_weight("pointwise_kernel", shape, "pointwise"), window);
  return {{finish_conv(context, y, filters, channels_first), {}}};
}

}  // namespace dl
