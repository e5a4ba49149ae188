#include "layers/layer.h"
#include "ops/builders.h"
#include "ops/nn.h"

namespace dl {
namespace {

Var weight_or_none(LayerContext& context, const char* flag, const char* name, const Shape& shape) {
  if (!context.config().flag(flag)) return {};
  WeightSpec spec = context.weight_spec(name, shape);
  spec.autocast = false;
  return context.add_weight(std::move(spec));
}

}  // namespace

const LayerDef layer_layer_normalization = {
    .class_name = "LayerNormalization",
    .summary = "Normalises each sample over the given axes to mean 0 and variance 1.",
    .masking = Masking::kPass,
    .keys = {ints_key("axis", spec::Node::list({spec::Node::integer(-1)})), float_key("epsilon", 1e-3, 0), bool_key("center", true),
             bool_key("scale", true), initializer_key("beta_initializer", "zeros"), initializer_key("gamma_initializer", "ones"),
             regularizer_key("beta_regularizer"), regularizer_key("gamma_regularizer"), constraint_key("beta_constraint"),
             constraint_key("gamma_constraint"), unsupported_key("rms_scaling", spec::Node::boolean(false))},
    .build = [](LayerContext& context, std::span<const MaskedVar> inputs) -> std::vector<MaskedVar> {
      // In the variable type, as in Keras: half types would lose the small variances.
      const Var x = cast(inputs[0].value, context.variable_dtype());
      const std::vector<int64_t> axes = normalize_axes(context.config().integers("axis"), x.rank(), "LayerNormalization");
      Shape shape;
      for (int64_t axis : axes) shape.push_back(x.dim(axis));
      const Var gamma = weight_or_none(context, "scale", "gamma", shape);
      const Var beta = weight_or_none(context, "center", "beta", shape);
      return {{context.to_compute(layer_norm(x, gamma, beta, axes, context.config().real("epsilon"))), {}}};
    },
};

}  // namespace dl
