#include "layers/recurrent.h"
#include "ops/builders.h"

namespace dl {
namespace {

// Gates i f c o; with unit_forget_bias the forget gate starts at 1.
Var add_bias(LayerContext& context, Dim units) {
  const Config& config = context.config();
  if (!config.flag("use_bias")) return {};
  WeightSpec spec = context.weight_spec("bias", {Dim(4) * units});
  if (config.flag("unit_forget_bias")) {
    spec.initializer.config.set("inner", spec.initializer.class_name);
    spec.initializer.class_name = "UnitForgetBias";
  }
  return context.add_weight(std::move(spec));
}

}  // namespace

Recurrent walk_lstm(LayerContext& context, Var x, std::span<const Var> states, Var mask, bool reversed) {
  const Config& config = context.config();
  const Dim units(config.integer("units"));
  const Var kernel = context.add_weight("kernel", {x.dim(2), Dim(4) * units});
  const Var recurrent_kernel = context.add_weight("recurrent_kernel", {units, Dim(4) * units}, "recurrent");
  const Var bias = add_bias(context, units);
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
                std::span<const MaskedVar> inputs) { return build_recurrent(context, inputs, "lstm_cell", walk_lstm); },
};

}  // namespace dl
