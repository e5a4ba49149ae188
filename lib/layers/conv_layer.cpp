#include "layers/conv_layer.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "layers/activations.h"
#include "layers/window.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {

std::vector<ConfigKey> conv_output_keys(const std::string& kernel) {
  return {activation_key("activation", "linear"),
          bool_key("use_bias", true),
          initializer_key(kernel + "_initializer", "glorot_uniform"),
          initializer_key("bias_initializer", "zeros"),
          regularizer_key(kernel + "_regularizer"),
          regularizer_key("bias_regularizer"),
          regularizer_key("activity_regularizer"),
          constraint_key(kernel + "_constraint"),
          constraint_key("bias_constraint")};
}

std::vector<ConfigKey> conv_keys(size_t spatial, std::vector<std::string_view> paddings) {
  return join_keys({int_key("filters", 1), tuple_key("kernel_size", spatial), tuple_key("strides", spatial, spec::Node::integer(1)),
                    choice_key("padding", std::move(paddings), "valid"), data_format_key(),
                    tuple_key("dilation_rate", spatial, spec::Node::integer(1)), int_key("groups", spec::Node::integer(1), 1)},
                   conv_output_keys("kernel"));
}

void check_conv(Layer& layer, spec::Reader& reader) {
  const Config& config = layer.config;
  const auto strided = [](const std::vector<int64_t>& values) {
    return std::any_of(values.begin(), values.end(), [](int64_t v) { return v > 1; });
  };
  if (config.has("groups") && config.integer("filters") % config.integer("groups") != 0)
    reader.report("groups", fmt::format("is {}, must divide filters ({})", config.integer("groups"), config.integer("filters")));
  if (strided(config.integers("strides")) && strided(config.integers("dilation_rate")))
    reader.report("dilation_rate", "must be 1 where strides are above 1, as in Keras");
  if (config.text("padding") == "causal" && config.text("data_format") == "channels_first")
    reader.report("padding", "is 'causal', which needs data_format channels_last, as in Keras");
}

Var finish_conv(LayerContext& context, Var y, Dim channels, bool channels_first) {
  const Config& config = context.config();
  if (config.flag("use_bias")) y = add_channel_bias(y, context.add_weight("bias", {channels}), channels_first);
  return apply_activation(config.text("activation"), y);
}

std::vector<MaskedVar> build_conv(LayerContext& context, std::span<const MaskedVar> inputs, int64_t spatial) {
  const Config& config = context.config();
  const bool channels_first = config.text("data_format") == "channels_first";
  const Var x = context.to_compute(inputs[0].value);
  require_rank(x, spatial, context.layer().def->class_name, channels_first);
  const std::vector<int64_t> kernel_size = config.integers("kernel_size");
  const int64_t groups = config.integer("groups"), filters = config.integer("filters");
  const Dim channels = x.dim(channel_axis(x, channels_first));
  if (!channels.known()) throw UserError("the number of channels must be known; the input is " + to_string(x.shape()));
  if (channels.value() % groups != 0)
    throw UserError(fmt::format("the input has {} channels, which groups ({}) must divide", channels.value(), groups));
  Shape kernel_shape(kernel_size.begin(), kernel_size.end());
  kernel_shape.push_back(Dim(channels.value() / groups));
  kernel_shape.push_back(Dim(filters));
  const Window window =
      make_window(x, config.text("padding"), kernel_size, config.integers("strides"), config.integers("dilation_rate"), channels_first);
  const Var y = conv(x, context.add_weight("kernel", kernel_shape), window, groups);
  return {{finish_conv(context, y, Dim(filters), channels_first), {}}};
}

}  // namespace dl
