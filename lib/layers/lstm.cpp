#include "layers/activations.h"
#include "layers/recurrent.h"
#include "ops/builders.h"

namespace dl {

Var add_lstm_bias(LayerContext& context, Dim units) {
  const Config& config = context.config();
  if (!config.flag("use_bias")) return {};
  WeightSpec spec = context.weight_spec("bias", {Dim(4) * units});
  if (config.flag("unit_forget_bias")) {
    spec.initializer.config.set("inner", spec.initializer.class_name);
    spec.initializer.class_name = "UnitForgetBias";
  }
  return context.add_weight(std::move(spec));
}

namespace {

// With a mask on the state of each gate.
Recurrent walk_lstm_dropping(LayerContext& context, Var x, Var kernel, Var recurrent_kernel, Var bias, std::span<const Var> states,
                             Var mask, bool reversed) {
  const Config& config = context.config();
  const std::string activation = config.text("activation"), gate = config.text("recurrent_activation");
  const Dim units = recurrent_kernel.dim(0);
  const TensorType state{x.dtype(), {x.dim(0), units}};
  Var projected = project_gates(context, x, kernel, 4);
  if (bias.valid()) projected = projected + bias;
  std::vector<Var> constants = state_masks(context, state, 4);
  constants.push_back(recurrent_kernel);
  return walk_steps(projected, states_or_zeros(context.graph(), states, state, 2), constants, mask, reversed,
                    [&](std::span<const Var> before, Var element, std::span<const Var> c) {
                      const auto z = [&](int64_t k) {
                        const Dim start = Dim(k) * units;
                        return slice_axis(element, 1, start, units) +
                               matmul(before[0] * c[static_cast<size_t>(k)], slice_axis(c[4], 1, start, units));
                      };
                      const Var i = apply_activation(gate, z(0)), f = apply_activation(gate, z(1)), o = apply_activation(gate, z(3));
                      const Var cell = f * before[1] + i * apply_activation(activation, z(2));
                      return std::vector<Var>{o * apply_activation(activation, cell), cell};
                    });
}

}  // namespace

Recurrent walk_lstm(LayerContext& context, Var x, std::span<const Var> states, Var mask, bool reversed) {
  const Config& config = context.config();
  const Dim units(config.integer("units"));
  const Var kernel = context.add_weight("kernel", {x.dim(2), Dim(4) * units});
  const Var recurrent_kernel = context.add_weight("recurrent_kernel", {units, Dim(4) * units}, "recurrent");
  const Var bias = add_lstm_bias(context, units);
  if (drops_state(context)) return walk_lstm_dropping(context, x, kernel, recurrent_kernel, bias, states, mask, reversed);
  const auto state = [&](size_t i) { return i < states.size() ? states[i] : Var(); };
  return lstm(x, kernel, recurrent_kernel, bias, state(0), state(1), mask, config.text("activation"), config.text("recurrent_activation"),
              reversed);
}

const LayerDef layer_lstm = {
    .class_name = "LSTM",
    .summary = "Long short-term memory over a sequence; gates i, f, c, o. Further inputs are the initial h and c.",
    .max_inputs = 3,
    .masking = Masking::kOwn,
    .keys = recurrent_keys({gate_activation_key(), bool_key("unit_forget_bias", true)}),
    .check = check_recurrent,
    .build = [](LayerContext& context,
                std::span<const MaskedVar> inputs) { return build_recurrent(context, inputs, "lstm_cell", walk_lstm, 2); },
};

}  // namespace dl
