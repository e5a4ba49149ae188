#include "layers/initializers.h"
#include "layers/recurrent.h"
#include "ops/builders.h"

namespace dl {
namespace {

// Gates i f c o; with unit_forget_bias the forget gate starts at 1.
Var add_bias(LayerContext& context, Dim units) {
  const Config& config = context.config();
  if (!config.flag("use_bias")) return {};
  WeightSpec spec{"bias", {Dim(4) * units}, make_initializer(config.node("bias_initializer")), config.node("bias_regularizer")};
  if (config.flag("unit_forget_bias")) {
    spec.initializer.config.set("inner", spec.initializer.class_name);
    spec.initializer.class_name = "UnitForgetBias";
  }
  return context.add_weight(std::move(spec));
}

std::vector<MaskedVar> build(LayerContext& context, std::span<const MaskedVar> inputs) {
  const Config& config = context.config();
  const Var x = recurrent_input(context, inputs[0].value);
  const Dim units(config.integer("units"));
  Var kernel, recurrent_kernel, bias;
  {
    const LayerContext::SubLayer cell(context, "lstm_cell", "cell");
    kernel = context.add_weight("kernel", {x.dim(2), Dim(4) * units});
    recurrent_kernel = context.add_weight("recurrent_kernel", {units, Dim(4) * units}, "recurrent");
    bias = add_bias(context, units);
  }
  const Recurrent result =
      lstm(x, kernel, recurrent_kernel, bias, initial_state(context, inputs, 1), initial_state(context, inputs, 2), inputs[0].mask,
           config.text("activation"), config.text("recurrent_activation"), config.flag("go_backwards"));
  return recurrent_outputs(context, result, inputs[0].mask);
}

}  // namespace

const LayerDef layer_lstm = {
    .class_name = "LSTM",
    .summary = "Long short-term memory over a sequence; gates i, f, c, o. Further inputs are the initial h and c.",
    .max_inputs = 3,
    .masking = Masking::kOwn,
    .keys = recurrent_keys({bool_key("unit_forget_bias", true)}),
    .check = check_recurrent,
    .build = build,
};

}  // namespace dl
