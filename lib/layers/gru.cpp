#include "layers/recurrent.h"
#include "ops/builders.h"

namespace dl {
namespace {

std::vector<MaskedVar> build(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  const Var x = recurrent_input(context, inputs[0].value);
  const Dim units(config.integer("units")), gates = Dim(3) * units;
  const bool reset_after = config.flag("reset_after");
  Var kernel, recurrent_kernel, bias;
  {
    const LayerContext::SubLayer cell(context, "gru_cell", "cell");
    kernel = context.add_weight("kernel", {x.dim(2), gates});
    recurrent_kernel = context.add_weight("recurrent_kernel", {units, gates}, "recurrent");
    if (config.flag("use_bias")) bias = context.add_weight("bias", reset_after ? Shape{Dim(2), gates} : Shape{gates});
  }
  const Recurrent result = gru(x, kernel, recurrent_kernel, bias, initial_state(context, inputs, 1), inputs[0].mask,
                               config.text("activation"), config.text("recurrent_activation"), reset_after, config.flag("go_backwards"));
  return recurrent_outputs(context, result, inputs[0].mask);
}

}  // namespace

const LayerDef layer_gru = {
    .class_name = "GRU",
    .summary = "Gated recurrent unit over a sequence; gates z, r, h. A further input is the initial h.",
    .max_inputs = 2,
    .masking = Masking::kOwn,
    .keys = recurrent_keys({bool_key("reset_after", true)}),
    .check = check_recurrent,
    .build = build,
};

}  // namespace dl
