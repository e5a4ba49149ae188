#include "base/error.h"
#include "layers/conv_layer.h"
#include "layers/window.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

std::vector<MaskedVar> build(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  const bool channels_first = config.text("data_format") == "channels_first";
  const Var x = context.to_compute(inputs[0].value);
  require_rank(x, 2, "DepthwiseConv2D", channels_first);
  const Dim channels = x.dim(channel_axis(x, channels_first));
  if (!channels.known()) throw UserError("the number of channels must be known; the input is " + to_string(x.shape()));
  const std::vector<int64_t> size = config.integers("kernel_size");
  const Dim multiplier(config.integer("depth_multiplier")), filters = channels * multiplier;
  const Var kernel = context.add_weight("kernel", {Dim(size[0]), Dim(size[1]), channels, multiplier}, "depthwise");
  // Channel c makes outputs c * multiplier + m: a convolution with one group per channel, the same bytes.
  const Var grouped = reshape(kernel, {Dim(size[0]), Dim(size[1]), Dim(1), filters});
  const Window window =
      make_window(x, config.text("padding"), size, config.integers("strides"), config.integers("dilation_rate"), channels_first);
  return {{finish_conv(context, conv(x, grouped, window, channels.value()), filters, channels_first), {}}};
}

}  // namespace

const LayerDef layer_depthwise_conv2d = {
    .class_name = "DepthwiseConv2D",
    .summary = "2-D convolution of each channel by itself; kernel [height, width, in, depth_multiplier].",
    .keys = join_keys(
        {tuple_key("kernel_size", 2), tuple_key("strides", 2, spec::Node::integer(1)), choice_key("padding", {"valid", "same"}, "valid"),
         int_key("depth_multiplier", spec::Node::integer(1), 1), data_format_key(), tuple_key("dilation_rate", 2, spec::Node::integer(1))},
        conv_output_keys("depthwise")),
    .check = check_conv,
    .build = build,
};

}  // namespace dl
