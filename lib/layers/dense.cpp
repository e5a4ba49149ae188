#include "layers/activations.h"
#include "layers/layer.h"
#include "ops/builders.h"

namespace dl {

const LayerDef layer_dense = {
    .class_name = "Dense",
    .summary = "Fully connected: activation(x @ kernel + bias) over the last axis.",
    .masking = Masking::kPass,
    .keys = {int_key("units", 1), activation_key("activation", "linear"), bool_key("use_bias", true),
             initializer_key("kernel_initializer", "glorot_uniform"), initializer_key("bias_initializer", "zeros"),
             regularizer_key("kernel_regularizer"), regularizer_key("bias_regularizer"), regularizer_key("activity_regularizer"),
             constraint_key("kernel_constraint"), constraint_key("bias_constraint"), unsupported_key("lora_rank"),
             unsupported_key("lora_alpha"), unsupported_key("quantization_config")},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      const Config& config = context.config();
      const Var x = context.to_compute(inputs[0].value);
      if (x.rank() < 2) throw UserError("Dense needs [batch, ..., features], got " + to_string(x.shape()));
      const Dim units(config.integer("units"));
      Var y = matmul(x, context.add_weight("kernel", {x.dim(-1), units}));
      if (config.flag("use_bias")) y = y + context.add_weight("bias", {units});
      return {{apply_activation(config.text("activation"), y), {}}};
    },
};

}  // namespace dl
