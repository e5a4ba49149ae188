#include "layers/recurrent.h"
#include "ops/builders.h"

namespace dl {

Recurrent walk_gru(LayerContext& context, Var x, std::span<const Var> states, Var mask, bool reversed) {
  const Config& config = context.config();
  const Dim units(config.integer("units")), gates = Dim(3) * units;
  const bool reset_after = config.flag("reset_after");
  const Var kernel = context.add_weight("kernel", {x.dim(2), gates});
  const Var recurrent_kernel = context.add_weight("recurrent_kernel", {units, gates}, "recurrent");
  const Var bias = config.flag("use_bias") ? context.add_weight("bias", reset_after ? Shape{Dim(2), gates} : Shape{gates}) : Var();
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
                std::span<const MaskedVar> inputs) { return build_recurrent(context, inputs, "gru_cell", walk_gru); },
};

}  // namespace dl
