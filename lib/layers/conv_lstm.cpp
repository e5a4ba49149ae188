#include "layers/conv_lstm.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "layers/activations.h"
#include "layers/recurrent.h"
#include "layers/window.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

constexpr int64_t kGates = 4;  // i f c o

// One block of the gates on `axis`.
Var gate_block(Var v, int64_t axis, int64_t k) {
  const Dim width = floor_div(v.dim(axis), kGates);
  return slice_axis(v, axis, Dim(k) * width, width);
}

// Convolution of every element of the sequence with the input kernel: [batch, time, ...]. With dropout each gate sees masks of its own.
Var convolve_input(LayerContext& context, Var x, Var kernel, bool channels_first) {
  const Config& config = context.config();
  Shape flat = x.shape();
  flat.erase(flat.begin());
  flat[0] = x.dim(0) * x.dim(1);
  const auto convolved = [&](Var sequence, Var weights) {
    const Var elements = reshape(sequence, flat);
    const Var y = conv(elements, weights,
                       make_window(elements, config.text("padding"), config.integers("kernel_size"), config.integers("strides"),
                                   config.integers("dilation_rate"), channels_first));
    Shape shape = y.shape();
    shape[0] = x.dim(0);
    shape.insert(shape.begin() + 1, x.dim(1));
    return reshape(y, shape);
  };
  const double rate = config.real("dropout");
  if (!context.training() || rate == 0) return convolved(x, kernel);
  TensorType mask = x.type();
  mask.shape[1] = Dim(1);
  const std::vector<Var> masks = dropout_masks(context, mask, rate, kGates);
  std::vector<Var> blocks;
  for (int64_t k = 0; k < kGates; ++k) blocks.push_back(convolved(x * masks[static_cast<size_t>(k)], gate_block(kernel, -1, k)));
  return concat(blocks, channels_first ? 2 : -1);
}

Recurrent walk(LayerContext& context, Var x, std::span<const MaskedVar> inputs, int64_t spatial) {
  const Config& config = context.config();
  const bool channels_first = config.text("data_format") == "channels_first";
  const Dim filters(config.integer("filters")), channels = x.dim(channels_first ? 2 : -1);
  const std::vector<int64_t> kernel_size = config.integers("kernel_size"), ones(static_cast<size_t>(spatial), 1);
  const auto kernel_shape = [&](Dim in) {
    Shape shape(kernel_size.begin(), kernel_size.end());
    shape.insert(shape.end(), {in, Dim(kGates) * filters});
    return shape;
  };
  const Var kernel = context.add_weight("kernel", kernel_shape(channels));
  const Var recurrent_kernel = context.add_weight("recurrent_kernel", kernel_shape(filters), "recurrent");
  const Var bias = add_lstm_bias(context, filters);
  Var projected = convolve_input(context, x, kernel, channels_first);
  if (bias.valid()) {
    // One axis more than an image, but the channels stand at the same end.
    Shape shape(channels_first ? static_cast<size_t>(spatial) + 1 : 1, Dim(1));
    shape[0] = bias.dim(0);
    projected = projected + reshape(bias, shape);
  }

  TensorType state = projected.type();
  state.shape.erase(state.shape.begin() + 1);
  state.shape[channels_first ? 1 : state.shape.size() - 1] = filters;
  std::vector<Var> constants = {recurrent_kernel};
  if (drops_state(context))
    for (const Var& m : state_masks(context, state, kGates)) constants.push_back(m);
  const std::string activation = config.text("activation"), gate = config.text("recurrent_activation");
  const int64_t channel = channels_first ? 1 : -1;
  const std::vector<Shape> shapes(2, state.shape);
  const std::vector<Var> initial = initial_states(context, inputs, shapes);
  const Recurrent result = walk_steps(
      projected, states_or_zeros(context.graph(), initial, state, 2), constants, inputs[0].mask, config.flag("go_backwards"),
      [&](std::span<const Var> before, Var element, std::span<const Var> c) {
        const Window window = make_window(before[0], "same", kernel_size, ones, ones, channels_first);
        Var z[kGates];
        if (c.size() == 1) {
          const Var sum = element + conv(before[0], c[0], window);
          for (int64_t k = 0; k < kGates; ++k) z[k] = gate_block(sum, channel, k);
        } else {
          for (int64_t k = 0; k < kGates; ++k)
            z[k] = gate_block(element, channel, k) + conv(before[0] * c[static_cast<size_t>(k) + 1], gate_block(c[0], -1, k), window);
        }
        const Var cell = apply_activation(gate, z[1]) * before[1] + apply_activation(gate, z[0]) * apply_activation(activation, z[2]);
        return std::vector<Var>{apply_activation(gate, z[3]) * apply_activation(activation, cell), cell};
      });
  keep_states(context, result.state);
  return result;
}

}  // namespace

std::vector<ConfigKey> conv_lstm_keys(size_t spatial) {
  return join_keys({int_key("filters", 1),
                    tuple_key("kernel_size", spatial),
                    tuple_key("strides", spatial, spec::Node::integer(1)),
                    choice_key("padding", {"valid", "same"}, "valid"),
                    data_format_key(),
                    tuple_key("dilation_rate", spatial, spec::Node::integer(1)),
                    activation_key("activation", "tanh"),
                    gate_activation_key(),
                    bool_key("use_bias", true),
                    initializer_key("kernel_initializer", "glorot_uniform"),
                    initializer_key("recurrent_initializer", "orthogonal"),
                    initializer_key("bias_initializer", "zeros"),
                    bool_key("unit_forget_bias", true),
                    regularizer_key("kernel_regularizer"),
                    regularizer_key("recurrent_regularizer"),
                    regularizer_key("bias_regularizer"),
                    constraint_key("kernel_constraint"),
                    constraint_key("recurrent_constraint"),
                    constraint_key("bias_constraint"),
                    float_key("dropout", 0, 0, 1),
                    float_key("recurrent_dropout", 0, 0, 1),
                    seed_key()},
                   sequence_keys());
}

void check_conv_lstm(Layer& layer, spec::Reader& reader) {
  check_recurrent(layer, reader);
  const auto above_one = [&](const char* key) {
    const std::vector<int64_t> values = layer.config.integers(key);
    return std::any_of(values.begin(), values.end(), [](int64_t v) { return v > 1; });
  };
  if (above_one("strides") && above_one("dilation_rate"))
    reader.report("dilation_rate", "must be 1 where strides are above 1, as in Keras");
}

std::vector<MaskedVar> build_conv_lstm(LayerContext& context, std::span<const MaskedVar> inputs, int64_t spatial) {
  const Var x = context.to_compute(inputs[0].value);
  if (x.rank() != spatial + 3)
    throw UserError(fmt::format("needs a sequence of {} axes [batch, time, {}], got {}", spatial + 3,
                                context.config().text("data_format") == "channels_first" ? "channels, spatial..." : "spatial..., channels",
                                to_string(x.shape())));
  Recurrent result;
  {
    const LayerContext::SubLayer scope(context, "conv_lstm_cell", "cell");
    result = walk(context, x, inputs, spatial);
  }
  return recurrent_outputs(context, result, inputs[0].mask);
}

}  // namespace dl
