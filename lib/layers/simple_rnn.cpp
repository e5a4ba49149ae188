#include "layers/activations.h"
#include "layers/recurrent.h"
#include "ops/builders.h"

namespace dl {
namespace {

// With a mask on the state.
Recurrent walk_dropping(LayerContext& context, Var x, Var kernel, Var recurrent_kernel, std::span<const Var> states, Var mask,
                        bool reversed) {
  const std::string activation = context.config().text("activation");
  const TensorType state{x.dtype(), {x.dim(0), recurrent_kernel.dim(0)}};
  Var projected = project_gates(context, x, kernel, 1);
  if (context.config().flag("use_bias")) projected = projected + context.add_weight("bias", {recurrent_kernel.dim(0)});
  const std::vector<Var> constants = {recurrent_kernel, state_masks(context, state, 1)[0]};
  return walk_steps(projected, states_or_zeros(context.graph(), states, state, 1), constants, mask, reversed,
                    [&](std::span<const Var> before, Var element, std::span<const Var> c) {
                      return std::vector<Var>{apply_activation(activation, element + matmul(before[0] * c[1], c[0]))};
                    });
}

}  // namespace

Recurrent walk_simple_rnn(LayerContext& context, Var x, std::span<const Var> states, Var mask, bool reversed) {
  // A GRU whose update gate is shut and whose reset gate is open: sigmoid(-1000) is 0 and sigmoid(1000) 1, exactly. It costs
  // three products instead of one and has the GRU's kernels, masks and gradients at any number of steps.
  constexpr double kShut = -1000, kOpen = 1000;
  const Config& config = context.config();
  const Dim units(config.integer("units")), zero(0);
  const auto third = [&](Var weight) { return pad(weight, Shape{zero, Dim(2) * units}, Shape{zero, zero}); };
  const Var kernel = context.add_weight("kernel", {x.dim(2), units});
  const Var recurrent_kernel = context.add_weight("recurrent_kernel", {units, units}, "recurrent");
  const TensorType one{x.dtype(), {units}};
  if (drops_state(context)) return walk_dropping(context, x, kernel, recurrent_kernel, states, mask, reversed);
  const Var bias = config.flag("use_bias") ? context.add_weight("bias", {units}) : full(context.graph(), one, 0);
  const Var gates = concat({full(context.graph(), one, kShut), full(context.graph(), one, kOpen), bias}, 0);
  const Var biases = concat({expand_dims(gates, 0), full(context.graph(), {x.dtype(), {Dim(1), Dim(3) * units}}, 0)}, 0);
  return gru(x, third(kernel), third(recurrent_kernel), biases, states.empty() ? Var() : states[0], mask, config.text("activation"),
             "sigmoid", true, reversed);
}

const LayerDef layer_simple_rnn = {
    .class_name = "SimpleRNN",
    .summary = "h = activation(x @ kernel + h @ recurrent_kernel + bias) over a sequence. A further input is the initial h.",
    .max_inputs = 2,
    .masking = Masking::kOwn,
    .keys = recurrent_keys({}),
    .check = check_recurrent,
    .build = [](LayerContext& context,
                std::span<const MaskedVar> inputs) { return build_recurrent(context, inputs, "simple_rnn_cell", walk_simple_rnn, 1); },
};

}  // namespace dl
