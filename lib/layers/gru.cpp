#include "layers/activations.h"
#include "layers/recurrent.h"
#include "ops/builders.h"

namespace dl {
namespace {

// With a mask on the state of each gate.
Recurrent walk_gru_dropping(LayerContext& context, Var x, Var kernel, Var recurrent_kernel, Var bias, std::span<const Var> states, Var mask,
                            bool reversed) {
  const Config& config = context.config();
  const std::string activation = config.text("activation"), gate = config.text("recurrent_activation");
  const bool after = config.flag("reset_after");
  const Dim units = recurrent_kernel.dim(0);
  const TensorType state{x.dtype(), {x.dim(0), units}};
  const auto row = [&](int64_t i) { return squeeze(slice_axis(bias, 0, i, 1), {0}); };
  Var projected = project_gates(context, x, kernel, 3);
  if (bias.valid()) projected = projected + (after ? row(0) : bias);
  std::vector<Var> constants = state_masks(context, state, 3);
  constants.push_back(recurrent_kernel);
  if (bias.valid() && after) constants.push_back(row(1));
  return walk_steps(projected, states_or_zeros(context.graph(), states, state, 1), constants, mask, reversed,
                    [&](std::span<const Var> before, Var element, std::span<const Var> c) {
                      const Var h = before[0];
                      const auto block = [&](Var v, int64_t k) { return slice_axis(v, -1, Dim(k) * units, units); };
                      const auto inner = [&](int64_t k, Var v) {
                        const Var product = matmul(v * c[static_cast<size_t>(k)], block(c[3], k));
                        return c.size() > 4 ? product + block(c[4], k) : product;
                      };
                      const Var z = apply_activation(gate, block(element, 0) + inner(0, h)),
                                r = apply_activation(gate, block(element, 1) + inner(1, h));
                      const Var candidate = apply_activation(activation, block(element, 2) + (after ? r * inner(2, h) : inner(2, r * h)));
                      return std::vector<Var>{z * h + (1.0 - z) * candidate};
                    });
}

}  // namespace

Recurrent walk_gru(LayerContext& context, Var x, std::span<const Var> states, Var mask, bool reversed) {
  const Config& config = context.config();
  const Dim units(config.integer("units")), gates = Dim(3) * units;
  const bool reset_after = config.flag("reset_after");
  const Var kernel = context.add_weight("kernel", {x.dim(2), gates});
  const Var recurrent_kernel = context.add_weight("recurrent_kernel", {units, gates}, "recurrent");
  const Var bias = config.flag("use_bias") ? context.add_weight("bias", reset_after ? Shape{Dim(2), gates} : Shape{gates}) : Var();
  if (drops_state(context)) return walk_gru_dropping(context, x, kernel, recurrent_kernel, bias, states, mask, reversed);
  return gru(x, kernel, recurrent_kernel, bias, states.empty() ? Var() : states[0], mask, config.text("activation"),
             config.text("recurrent_activation"), reset_after, reversed);
}

const LayerDef layer_gru = {
    .class_name = "GRU",
    .summary = "Gated recurrent unit over a sequence; gates z, r, h. A further input is the initial h.",
    .max_inputs = 2,
    .masking = Masking::kOwn,
    .keys = recurrent_keys({gate_activation_key(), bool_key("reset_after", true)}),
    .check = check_recurrent,
    .build = [](LayerContext& context,
                std::span<const MaskedVar> inputs) { return build_recurrent(context, inputs, "gru_cell", walk_gru, 1); },
};

}  // namespace dl
